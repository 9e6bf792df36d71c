// better-auth with its OAuth provider: `node better_auth.js` serves it until it is terminated.
//
// PROVIDER_PORT, PROVIDER_FOLDER (of what it stores), PROVIDER_TOKEN_SECONDS, PROVIDER_CLIENT and PROVIDER_ACCOUNTS (JSON)

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";

import { oauthProvider } from "@better-auth/oauth-provider";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { toNodeHandler } from "better-auth/node";
import { jwt } from "better-auth/plugins";

const { PROVIDER_PORT, PROVIDER_FOLDER, PROVIDER_TOKEN_SECONDS, PROVIDER_CLIENT, PROVIDER_ACCOUNTS } = process.env;
const url = `http://127.0.0.1:${PROVIDER_PORT}`;
const file = join(PROVIDER_FOLDER, "better-auth.json");
const client = JSON.parse(PROVIDER_CLIENT);
const accounts = JSON.parse(PROVIDER_ACCOUNTS);

const TABLES = [
  "user", "session", "account", "verification", "rateLimit", "oauthClient", "oauthAccessToken", "oauthRefreshToken",
  "oauthConsent", "oauthResource", "oauthClientResource",
];
const isNew = !existsSync(file);
const stored = isNew ? Object.fromEntries(TABLES.map((name) => [name, []])) : JSON.parse(readFileSync(file), withDates);
stored.jwks = []; // a new key with each start
const groupsOf = (user) => accounts.find(({ email }) => email === user.email)?.groups ?? [];

// A date is what a column of dates holds; JSON has none.
function withDates(name, value) {
  return /At$/.test(name) && typeof value === "string" ? new Date(value) : value;
}

const auth = betterAuth({
  baseURL: url,
  secret: "of-a-test-and-nothing-else-but-long-enough",
  database: memoryAdapter(stored),
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  disabledPaths: ["/token"],
  plugins: [
    jwt({ disableSettingJwtHeader: true, jwks: { keyPairConfig: { alg: "RS256" } } }),
    oauthProvider({
      loginPage: "/login",
      consentPage: "/consent",
      scopes: ["openid", "profile", "email", "offline_access"],
      accessTokenExpiresIn: Number(PROVIDER_TOKEN_SECONDS),
      generateClientId: () => client.client_id,
      generateClientSecret: () => client.client_secret,
      customIdTokenClaims: ({ user }) => ({ "https://example.org/groups": groupsOf(user) }),
    }),
  ],
});

// The page that a project has to have.
const LOGIN_PAGE = `<!doctype html><html lang="en"><title>Log in</title><link rel="icon" href="data:,">
<form><label>Email <input name="email" type="email"></label><label>Password <input name="password" type="password"></label>
<button>Log in</button></form>
<script>
document.forms[0].onsubmit = async (event) => {
  event.preventDefault();
  const body = { ...Object.fromEntries(new FormData(event.target)), oauth_query: location.search.slice(1) };
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch("/api/auth/sign-in/email", { method: "POST", headers, body: JSON.stringify(body) });
  location.href = (await answer.json()).url;
};
</script></html>`;

if (isNew) {
  let cookie;
  for (const { email, password, given_name, family_name } of accounts) {
    const body = { email, password, name: `${given_name} ${family_name}` };
    const { headers } = await auth.api.signUpEmail({ body, returnHeaders: true });
    cookie = headers.getSetCookie().map((line) => line.split(";")[0]).join("; ");
  }
  await auth.api.adminCreateOAuthClient({
    headers: { cookie },
    body: {
      redirect_uris: ["https://app.example.org/ui/auth/callback"],
      post_logout_redirect_uris: ["https://app.example.org/ui/login"],
      grant_types: ["authorization_code", "refresh_token"],
      skip_consent: true,
      enable_end_session: true,
    },
  });
  // It takes https alone, and public hosts; what these tests talk to is on loopback.
  const { adapter } = await auth.$context;
  const where = [{ field: "clientId", value: client.client_id }];
  const update = {
    redirectUris: [client.redirect_uri],
    postLogoutRedirectUris: [client.post_logout_redirect_uri],
    backchannelLogoutUri: client.backchannel_logout_uri,
    backchannelLogoutSessionRequired: true,
  };
  await adapter.update({ model: "oauthClient", where, update });
}
const answer = toNodeHandler(auth);
createServer((request, response) => {
  if (request.url.startsWith("/api/auth/")) return answer(request, response);
  response.setHeader("Content-Type", "text/html");
  response.end(LOGIN_PAGE);
}).listen(Number(PROVIDER_PORT), "127.0.0.1");
process.on("SIGTERM", () => {
  writeFileSync(file, JSON.stringify(stored));
  process.exit();
});
