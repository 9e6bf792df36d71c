// What only a test may do: look inside, and turn things that a realm's administrator would turn.

import { registerApp, registerResource } from "./management.js";
import { Refused, jsonOf, routesOf } from "./routes.js";

export function controlCalls({ provider, directory, sessions, lifetimes }) {
  const granted = {};
  const refused = {};
  const backchannel = [];
  const count = (counts, ctx) => {
    const type = ctx.oidc.params?.grant_type ?? "none";
    counts[type] = (counts[type] ?? 0) + 1;
  };
  provider.on("grant.success", (ctx) => count(granted, ctx));
  provider.on("grant.error", (ctx) => count(refused, ctx));
  provider.on("backchannel.success", (_, client) => backchannel.push({ client_id: client.clientId, error: null }));
  provider.on("backchannel.error", (_, error, client) =>
    backchannel.push({ client_id: client.clientId, error: error.message }),
  );

  function personOf(username) {
    const person = directory.personByName(username);
    if (!person) throw new Refused(404, "not_found", "there is no such user");
    return person;
  }

  return routesOf({
    "GET /control": () => ({
      now: Date.now() / 1000,
      granted,
      refused,
      backchannel,
      people: directory.people.map(({ id, username }) => ({ id, username, sessions: sessions.countOf(id) })),
    }),
    "PUT /control/lifetimes": async (ctx) => Object.assign(lifetimes, await jsonOf(ctx)),
    // A resource server whose people have their usual roles already.
    "POST /control/resources": async (ctx) => {
      const { name, redirect_uris: redirectUris } = await jsonOf(ctx);
      const client = await registerResource({ provider, directory, name, description: "", redirectUris });
      directory.giveUsualRoles(client.client_id);
      return client;
    },
    "POST /control/apps": async (ctx) => {
      const { name, description, redirect_uris: redirectUris } = await jsonOf(ctx);
      return registerApp({ provider, directory, name, description, redirectUris });
    },
    "GET /control/resources/:id/roles": (ctx) =>
      Object.fromEntries(directory.people.map(({ id, username }) => [username, directory.roleOf(ctx.params.id, id)])),
    "POST /control/end-sessions": async (ctx) => sessions.end(personOf((await jsonOf(ctx)).username).id),
  });
}
