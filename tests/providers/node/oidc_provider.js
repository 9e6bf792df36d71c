// oidc-provider: `node oidc_provider.js` serves it until it is terminated.
//
// PROVIDER_PORT, PROVIDER_FOLDER (of what it stores), PROVIDER_KEY (PEM), PROVIDER_TOKEN_SECONDS, PROVIDER_CLIENT and
// PROVIDER_ACCOUNTS (JSON; without them, an account is a subject and nothing else)

import { createPrivateKey } from "node:crypto";
import { createServer } from "node:http";
import { join } from "node:path";

import Provider from "oidc-provider";

import { fileStorage } from "./file_storage.js";

const { PROVIDER_PORT, PROVIDER_FOLDER, PROVIDER_KEY, PROVIDER_TOKEN_SECONDS, PROVIDER_CLIENT, PROVIDER_ACCOUNTS } =
  process.env;
const records = fileStorage(join(PROVIDER_FOLDER, "oidc-provider.json"));
const client = JSON.parse(PROVIDER_CLIENT);

// What it stores, so that a restart ends nothing.
class Adapter {
  constructor(model) {
    this.model = model;
  }

  #key = (id) => `${this.model}:${id}`;

  async upsert(id, payload) {
    records.set(this.#key(id), payload);
  }

  async find(id) {
    return records.get(this.#key(id));
  }

  async findByUid(uid) {
    return records.find(([key, payload]) => key.startsWith(`${this.model}:`) && payload.uid === uid);
  }

  async consume(id) {
    records.set(this.#key(id), { ...records.get(this.#key(id)), consumed: Math.floor(Date.now() / 1000) });
  }

  async destroy(id) {
    records.delete(this.#key(id));
  }

  async revokeByGrantId(grantId) {
    records.deleteAll(([, payload]) => payload.grantId === grantId);
  }
}

// As docs/how-to/providers.md says, for names and groups in userinfo.
function claimsOf(accounts) {
  return {
    scopes: ["openid", "offline_access", "email", "profile", "groups"],
    claims: {
      openid: ["sub"],
      email: ["email", "email_verified"],
      profile: ["preferred_username", "given_name", "family_name"],
      groups: ["groups"],
    },
    findAccount: (_, id) => {
      const account = accounts.find(({ username }) => username === id);
      return account && { accountId: id, claims: () => ({ sub: id, ...namesOf(account), groups: account.groups }) };
    },
  };
}

function namesOf({ username, given_name, family_name, email }) {
  return { preferred_username: username, given_name, family_name, email, email_verified: true };
}

const provider = new Provider(`http://127.0.0.1:${PROVIDER_PORT}`, {
  ...(PROVIDER_ACCOUNTS && claimsOf(JSON.parse(PROVIDER_ACCOUNTS))),
  adapter: Adapter,
  jwks: { keys: [{ ...createPrivateKey(PROVIDER_KEY).export({ format: "jwk" }), alg: "RS256", use: "sig" }] },
  cookies: { keys: ["of-a-test-and-nothing-else"] },
  ttl: { AccessToken: Number(PROVIDER_TOKEN_SECONDS) },
  features: { backchannelLogout: { enabled: true }, revocation: { enabled: true } },
  clients: [
    {
      client_id: client.client_id,
      client_secret: client.client_secret,
      grant_types: ["authorization_code", "refresh_token"],
      redirect_uris: [client.redirect_uri],
      post_logout_redirect_uris: [client.post_logout_redirect_uri],
      backchannel_logout_uri: client.backchannel_logout_uri,
      backchannel_logout_session_required: true,
    },
  ],
  // Its own dispatcher refuses loopback, where everything in these tests is.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
});
provider.on("server_error", (_, error) => console.error(error));
createServer(provider.callback()).listen(Number(PROVIDER_PORT), "127.0.0.1");
