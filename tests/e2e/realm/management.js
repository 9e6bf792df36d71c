// What a Keycloak realm with bodhi's extension offers beside OpenID Connect: clients, roles, people and consents.

import { ROLES, audienceScope, newClientId, newSecret } from "./directory.js";
import { TOKEN_EXCHANGE } from "./provider.js";
import { Refused, jsonOf, routesOf } from "./routes.js";
import { claimsOf } from "./tokens.js";

export function managementCalls({ provider, directory, issuer, publicKeys, path }) {
  // The access token that a call brings along.
  async function callerOf(ctx) {
    const [scheme, token] = (ctx.get("authorization") ?? "").split(" ");
    const claims = scheme === "Bearer" && token && (await claimsOf(token, { issuer, publicKeys }));
    if (!claims) throw new Refused(401, "invalid_token", "an access token of this realm is needed");
    return { clientId: claims.azp, personId: claims.sub, isService: claims.sub === claims.azp };
  }

  async function serviceOf(ctx) {
    const caller = await callerOf(ctx);
    if (!caller.isService || !directory.isResource(caller.clientId)) throw new Refused(403, "access_denied");
    return caller;
  }

  async function personOf(ctx, leastRole) {
    const caller = await callerOf(ctx);
    const rank = ROLES.indexOf(directory.roleOf(caller.clientId, caller.personId));
    if (caller.isService || rank < ROLES.indexOf(leastRole)) throw new Refused(403, "access_denied");
    return { ...caller, rank };
  }

  function targetOf(body) {
    const person = directory.personById(body.user_id);
    if (!person) throw new Refused(404, "not_found", "there is no such user");
    return person;
  }

  async function register(ctx) {
    const { name, description = "", redirect_uris: redirectUris } = await jsonOf(ctx);
    const client = await registerResource({ provider, directory, name, description, redirectUris });
    ctx.status = 201;
    return client;
  }

  async function makeFirstAdmin(ctx) {
    const { clientId } = await serviceOf(ctx);
    const person = targetOf(await jsonOf(ctx));
    const isTaken = directory.members(clientId).some(({ id }) => directory.roleOf(clientId, id) === "resource_admin");
    if (isTaken) throw new Refused(409, "conflict", "there is an administrator");
    directory.assign(clientId, person.id, "resource_admin");
    return {};
  }

  async function assignRole(ctx) {
    const { clientId, rank } = await personOf(ctx, "resource_manager");
    const body = await jsonOf(ctx);
    if (!ROLES.includes(body.role)) throw new Refused(400, "invalid_request", "there is no such role");
    if (ROLES.indexOf(body.role) > rank) throw new Refused(403, "access_denied", "that role is above the caller's");
    directory.assign(clientId, targetOf(body).id, body.role);
    return {};
  }

  async function removeUser(ctx) {
    const { clientId } = await personOf(ctx, "resource_manager");
    directory.assign(clientId, targetOf(await jsonOf(ctx)).id, null);
    return {};
  }

  async function listUsers(ctx) {
    const { clientId } = await personOf(ctx, "resource_manager");
    const page = Math.max(1, Number(ctx.query.page) || 1);
    const pageSize = Math.min(100, Math.max(1, Number(ctx.query.page_size) || 30));
    const members = directory.members(clientId);
    const pages = Math.ceil(members.length / pageSize);
    return {
      client_id: clientId,
      users: members.slice((page - 1) * pageSize, page * pageSize).map((person) => ({
        user_id: person.id,
        username: person.username,
        first_name: person.given_name,
        last_name: person.family_name,
        role: directory.roleOf(clientId, person.id),
      })),
      page,
      page_size: pageSize,
      total_pages: pages,
      total_users: members.length,
      has_next: page < pages,
      has_previous: page > 1,
    };
  }

  // Which scope widens the audience of an application's tokens to the caller.
  async function admitApp(ctx) {
    const { clientId } = await serviceOf(ctx);
    await appOf((await jsonOf(ctx)).app_client_id);
    return { scope: audienceScope(clientId) };
  }

  async function consent(ctx) {
    const { clientId, personId } = await personOf(ctx, "resource_user");
    const { app_client_id: appClientId, access_request_id: id } = await jsonOf(ctx);
    await appOf(appClientId);
    if (typeof id !== "string" || !id) throw new Refused(400, "invalid_request", "access_request_id is missing");
    const known = directory.consents.get(id);
    if (known && known.userId !== personId) throw new Refused(409, "conflict", "that access request is somebody else's");
    const scope = directory.consent(id, { userId: personId, clientId, appClientId });
    return { scope: audienceScope(clientId), access_request_id: id, access_request_scope: scope };
  }

  async function appInfo(ctx) {
    await callerOf(ctx);
    const app = await appOf(ctx.params.id);
    return { name: app.clientName, description: directory.descriptions.get(app.clientId) ?? "" };
  }

  async function appOf(clientId) {
    const app = await provider.Client.find(clientId);
    if (!app) throw new Refused(404, "not_found", "there is no such application");
    return app;
  }

  const routes = routesOf({
    [`POST ${path}/bodhi/resources`]: register,
    [`POST ${path}/bodhi/resources/make-resource-admin`]: makeFirstAdmin,
    [`POST ${path}/bodhi/resources/assign-role`]: assignRole,
    [`POST ${path}/bodhi/resources/remove-user`]: removeUser,
    [`GET ${path}/bodhi/resources/users`]: listUsers,
    [`POST ${path}/bodhi/resources/apps/request-access`]: admitApp,
    [`POST ${path}/bodhi/users/request-access`]: consent,
    [`GET ${path}/bodhi/users/apps/:id/info`]: appInfo,
  });

  return async (ctx, next) => {
    if (!ctx.path.startsWith(`${path}/bodhi/`)) return next();
    if (!ctx.get(VERSION_HEADER)) throw new Refused(400, "invalid_request", `${VERSION_HEADER} is missing`);
    return routes(ctx, next);
  };
}

const VERSION_HEADER = "x-bodhi-app-version";

// A client that logs people in, serves an API to other clients, and is told of logouts at the realm.
export async function registerResource({ provider, directory, name, description, redirectUris }) {
  const origins = [...new Set(redirectUris.map((uri) => new URL(uri).origin))];
  const client = {
    client_id: newClientId("resource"),
    client_secret: newSecret(),
    client_name: name,
    redirect_uris: redirectUris,
    post_logout_redirect_uris: origins.map((origin) => `${origin}/ui/login`),
    backchannel_logout_uri: `${origins[0]}/bodhi/v1/auth/backchannel-logout`,
    backchannel_logout_session_required: true,
    grant_types: ["authorization_code", "refresh_token", "client_credentials", TOKEN_EXCHANGE],
  };
  await registerClient({ provider, directory, client, description });
  return { client_id: client.client_id, client_secret: client.client_secret, scope: directory.addResource(client.client_id) };
}

// Any other application.
export async function registerApp({ provider, directory, name, description, redirectUris }) {
  const client = {
    client_id: newClientId("app"),
    client_secret: newSecret(),
    client_name: name,
    redirect_uris: redirectUris,
    grant_types: ["authorization_code", "refresh_token"],
  };
  await registerClient({ provider, directory, client, description });
  return { client_id: client.client_id, client_secret: client.client_secret };
}

async function registerClient({ provider, directory, client, description }) {
  const metadata = { ...client, response_types: ["code"], token_endpoint_auth_method: "client_secret_post" };
  await provider.Client.adapter.upsert(client.client_id, metadata);
  try {
    await provider.Client.find(client.client_id); // which checks the metadata
  } catch (error) {
    await provider.Client.adapter.destroy(client.client_id);
    throw new Refused(400, "invalid_client_metadata", error.error_description);
  }
  directory.descriptions.set(client.client_id, description);
}
