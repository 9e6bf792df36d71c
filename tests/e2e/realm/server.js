// A Keycloak-shaped realm for tests: `node server.js` serves it until its standard input ends.
//
// REALM_HOST (localhost), REALM_PORT (0: any free one), REALM_ACCESS_TOKEN_SECONDS (300)

import { createServer } from "node:http";

import Koa from "koa";
import mount from "koa-mount";

import { controlCalls } from "./control.js";
import { Directory, newSecret } from "./directory.js";
import { managementCalls } from "./management.js";
import { loginPages } from "./pages.js";
import { createProvider } from "./provider.js";
import { answerRefusals } from "./routes.js";
import { Sessions } from "./sessions.js";
import { registerTokenExchange } from "./token_exchange.js";
import { newKeys } from "./tokens.js";

const PATH = "/realms/bodhi";
const { REALM_HOST = "localhost", REALM_PORT = "0", REALM_ACCESS_TOKEN_SECONDS = "300" } = process.env;

async function createApp(issuer) {
  const { jwks, publicKeys } = await newKeys();
  const directory = new Directory();
  const lifetimes = { accessTokenSeconds: Number(REALM_ACCESS_TOKEN_SECONDS) };
  const provider = createProvider({ issuer, directory, jwks, lifetimes, secret: newSecret() });
  registerTokenExchange(provider, { directory, issuer, publicKeys });
  provider.on("server_error", (_, error) => console.error(error));

  const app = new Koa();
  app.keys = provider.keys; // mounted, the provider signs its cookies with those of the outer application
  app.use(answerRefusals);
  app.use(controlCalls({ provider, directory, sessions: new Sessions(provider), lifetimes }));
  app.use(loginPages({ provider, directory, path: PATH }));
  app.use(managementCalls({ provider, directory, issuer, publicKeys, path: PATH }));
  app.use(mount(PATH, provider));
  return app;
}

// The issuer holds the port, which is known once the server listens.
const server = createServer();
server.listen(Number(REALM_PORT), REALM_HOST, async () => {
  const issuer = `http://${REALM_HOST}:${server.address().port}${PATH}`;
  server.on("request", (await createApp(issuer)).callback());
  console.log(`realm is ready: ${issuer}`);
});
process.stdin.on("end", () => process.exit()).resume();
