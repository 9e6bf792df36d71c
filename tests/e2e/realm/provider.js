// oidc-provider, in the shape of a Keycloak realm.

import Provider from "oidc-provider";

import { audienceOf } from "./directory.js";
import * as pages from "./pages.js";

const RESOURCE = "urn:resource:";
const PATH = "/protocol/openid-connect";
export const TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";

export function createProvider({ issuer, directory, jwks, lifetimes, secret }) {
  const resourceServerOf = (clientId) => ({
    audience: clientId,
    scope: ["openid", "email", "profile", "roles", "service_account", ...directory.scopesOf(clientId)].join(" "),
    accessTokenFormat: "jwt",
    jwt: { sign: { alg: "RS256" } },
  });

  return new Provider(issuer, {
    jwks,
    cookies: { keys: [secret], names: { session: "realm_session", interaction: "realm_login", resume: "realm_resume" } },
    clientAuthMethods: ["client_secret_post", "none"],
    scopes: ["openid", "offline_access", "email", "profile", "roles", "service_account"],
    claims: {
      openid: ["sub"],
      email: ["email", "email_verified"],
      profile: ["preferred_username", "given_name", "family_name", "name"],
    },
    conformIdTokenClaims: false, // names stand in the ID token as well
    routes: {
      authorization: `${PATH}/auth`,
      token: `${PATH}/token`,
      jwks: `${PATH}/certs`,
      userinfo: `${PATH}/userinfo`,
      end_session: `${PATH}/logout`,
      revocation: `${PATH}/revoke`,
    },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: (_, client) => client.grantTypeAllowed("refresh_token"),
    ttl: {
      AccessToken: () => lifetimes.accessTokenSeconds,
      ClientCredentials: 60,
      IdToken: 300,
      RefreshToken: 3600,
      Interaction: 600,
      Session: 3600,
      Grant: 3600,
    },
    findAccount: (_, id) => accountOf(directory.personById(id)),
    interactions: { url: (_, interaction) => `${new URL(issuer).pathname}/login/${interaction.uid}` },
    loadExistingGrant: (ctx) => grantEverything(ctx, directory),
    renderError: pages.renderError,
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: true },
      revocation: { enabled: true },
      clientCredentials: { enabled: true },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: pages.confirmLogout,
        postLogoutSuccessSource: pages.loggedOut,
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: (ctx, client, oneOf) => oneOf?.[0] ?? resourceFor(ctx, client),
        useGrantedResource: () => true,
        getResourceServerInfo: (_, resource) => resourceServerOf(resource.slice(RESOURCE.length)),
      },
    },
    formats: { customizers: { jwt: (ctx, token, jwt) => addClaims(jwt.payload, { ctx, token, directory }) } },
    // Its own dispatcher would refuse loopback, where everything in these tests is.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  });
}

// What a grant type of our own needs to make an access token for one resource server.
export function accessTokenFor(provider, { client, personId, scope, directory }) {
  const token = new provider.AccessToken({ accountId: personId, client, gty: "token_exchange", scope });
  token.resourceServer = new provider.ResourceServer(`${RESOURCE}${client.clientId}`, {
    audience: client.clientId,
    scope: directory.scopesOf(client.clientId).join(" "),
    accessTokenFormat: "jwt",
    jwt: { sign: { alg: "RS256" } },
  });
  return token;
}

function accountOf(person) {
  return person && {
    accountId: person.id,
    claims: () => ({ sub: person.id, email: person.email, email_verified: true, ...namesOf(person) }),
  };
}

function namesOf(person) {
  return {
    preferred_username: person.username,
    given_name: person.given_name,
    family_name: person.family_name,
    name: `${person.given_name} ${person.family_name}`,
  };
}

// Keycloak widens the audience by a scope; a client that names none gets tokens for itself.
function resourceFor(ctx, client) {
  return `${RESOURCE}${audienceOf([...ctx.oidc.requestParamScopes]) ?? client.clientId}`;
}

// Nobody is asked for consent here: bodhi has a page for that.
async function grantEverything(ctx, directory) {
  const { client, provider, session, params } = ctx.oidc;
  // One for all logins of a browser: another one would take the place of the first, and end its tokens.
  const known = await provider.Grant.find(session.grantIdFor(client.clientId));
  const grant = known ?? new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope(params.scope);
  grant.rejected = undefined; // what was refused before may have been consented to since
  for (const [resource, { scopes }] of Object.entries(ctx.oidc.resourceServers)) {
    const whose = { clientId: resource.slice(RESOURCE.length), personId: session.accountId, appClientId: client.clientId };
    for (const scope of scopes) {
      if (directory.mayGrant(scope, whose)) grant.addResourceScope(resource, scope);
      else grant.rejectResourceScope(resource, scope);
    }
  }
  await grant.save();
  return grant;
}

function addClaims(payload, { ctx, token, directory }) {
  const resource = payload.aud;
  payload.typ = "Bearer";
  payload.azp = token.clientId;
  payload.aud = resource === "account" ? resource : [resource, "account"];
  const person = directory.personById(token.accountId);
  if (!person) return;
  Object.assign(payload, namesOf(person), { email: person.email, sid: token.sid });
  const roles = directory.rolesOf(resource, person.id);
  if (roles.length) payload.resource_access = { [resource]: { roles } };
  if (ctx.state.accessRequestId) payload.access_request_id = ctx.state.accessRequestId;
}

