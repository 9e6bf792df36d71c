// Who there is, what they may do at which resource server, and what they consented to. All of it lives in memory.

import { randomBytes, randomUUID } from "node:crypto";

export const ROLES = ["resource_user", "resource_power_user", "resource_manager", "resource_admin"];
export const USER_SCOPES = ["scope_user_user", "scope_user_power_user", "scope_user_manager", "scope_user_admin"];
const AUDIENCE_SCOPE = "scope_resource_";
const CONSENT_SCOPE = "scope_access_request:";

// nobody can log in, but has no role anywhere.
const PEOPLE = [
  ["admin", "Ada", "Lovelace", "resource_admin"],
  ["manager", "Grace", "Hopper", "resource_manager"],
  ["power", "Alan", "Turing", "resource_power_user"],
  ["user", "Barbara", "Liskov", "resource_user"],
  ["nobody", "Noor", "Khan", null],
];

export class Directory {
  constructor() {
    this.people = PEOPLE.map(([username, given, family, role], index) => ({
      id: `00000000-0000-4000-8000-${String(index + 1).padStart(12, "0")}`,
      username,
      given_name: given,
      family_name: family,
      email: `${username}@example.org`,
      usualRole: role,
    }));
    this.descriptions = new Map(); // of clients, by id
    this.roles = new Map(); // client id of a resource server -> (person's id -> role)
    this.consents = new Map(); // access request id -> { userId, clientId, appClientId }
  }

  personById(id) {
    return this.people.find((person) => person.id === id);
  }

  personByName(username) {
    return this.people.find((person) => person.username === username);
  }

  // A resource server is a client whose API other clients may call.
  addResource(clientId) {
    this.roles.set(clientId, new Map());
    return audienceScope(clientId);
  }

  isResource(clientId) {
    return this.roles.has(clientId);
  }

  giveUsualRoles(clientId) {
    for (const { id, usualRole } of this.people) if (usualRole) this.assign(clientId, id, usualRole);
  }

  assign(clientId, personId, role) {
    if (role === null) this.roles.get(clientId)?.delete(personId);
    else this.roles.get(clientId)?.set(personId, role);
  }

  roleOf(clientId, personId) {
    return this.roles.get(clientId)?.get(personId) ?? null;
  }

  // As in Keycloak, a role contains those below it.
  rolesOf(clientId, personId) {
    return ROLES.slice(0, ROLES.indexOf(this.roleOf(clientId, personId)) + 1);
  }

  members(clientId) {
    return this.people.filter(({ id }) => this.roleOf(clientId, id));
  }

  consent(id, { userId, clientId, appClientId }) {
    this.consents.set(id, { userId, clientId, appClientId });
    return consentScope(id);
  }

  // Every scope that tokens for this resource server may carry.
  scopesOf(clientId) {
    const consents = [...this.consents].filter(([, consent]) => consent.clientId === clientId);
    return [audienceScope(clientId), ...USER_SCOPES, ...consents.map(([id]) => consentScope(id))];
  }

  // Nobody gives an application more than they have, or what somebody else consented to.
  mayGrant(scope, { clientId, personId, appClientId }) {
    if (USER_SCOPES.includes(scope)) {
      return USER_SCOPES.indexOf(scope) < this.rolesOf(clientId, personId).length;
    }
    const consent = this.consents.get(consentOf(scope));
    return !scope.startsWith(CONSENT_SCOPE) || (consent?.userId === personId && consent.appClientId === appClientId);
  }
}

export function audienceScope(clientId) {
  return `${AUDIENCE_SCOPE}${clientId}`;
}

// The resource server that a list of scopes asks for.
export function audienceOf(scopes) {
  return scopes.find((scope) => scope.startsWith(AUDIENCE_SCOPE))?.slice(AUDIENCE_SCOPE.length);
}

export function consentScope(id) {
  return `${CONSENT_SCOPE}${id}`;
}

// The access request that a scope stands for.
export function consentOf(scope) {
  return scope.startsWith(CONSENT_SCOPE) ? scope.slice(CONSENT_SCOPE.length) : undefined;
}

export function newClientId(prefix) {
  return `${prefix}-${randomUUID()}`;
}

export function newSecret() {
  return randomBytes(32).toString("base64url");
}
