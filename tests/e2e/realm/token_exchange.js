// RFC 8693: a resource server turns the token of somebody else's client into one of its own.

import { errors } from "oidc-provider";

import { consentOf } from "./directory.js";
import { TOKEN_EXCHANGE, accessTokenFor } from "./provider.js";
import { claimsOf } from "./tokens.js";

const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";
const PARAMETERS = ["subject_token", "subject_token_type", "requested_token_type", "audience", "scope"];
const ALWAYS_GRANTED = ["openid", "email", "profile", "roles"];

export function registerTokenExchange(provider, { directory, issuer, publicKeys }) {
  provider.registerGrantType(TOKEN_EXCHANGE, exchange, PARAMETERS);

  async function exchange(ctx) {
    const { client, params } = ctx.oidc;
    checkParameters(params, client);
    const subject = await claimsOf(params.subject_token, { issuer, publicKeys });
    const person = subject && directory.personById(subject.sub);
    // Only who is meant to receive a token may exchange it.
    if (!person || ![subject.aud].flat().includes(client.clientId)) throw new errors.InvalidGrant("subject_token is not valid");

    const scopes = scopesOf(params.scope, subject.scope);
    const consent = scopes.map(consentOf).find(Boolean);
    if (consent && directory.consents.get(consent)?.userId === person.id) ctx.state.accessRequestId = consent;

    const token = accessTokenFor(provider, { client, personId: person.id, scope: scopes.join(" "), directory });
    ctx.oidc.entity("AccessToken", token);
    ctx.body = {
      access_token: await token.save(),
      issued_token_type: ACCESS_TOKEN,
      token_type: "Bearer",
      expires_in: token.expiration,
      scope: token.scope,
    };
  }
}

function checkParameters(params, client) {
  if (!params.subject_token) throw new errors.InvalidRequest("missing required parameter(s) 'subject_token'");
  for (const name of ["subject_token_type", "requested_token_type"]) {
    if (![undefined, ACCESS_TOKEN].includes(params[name])) throw new errors.InvalidRequest(`unsupported ${name}`);
  }
  if (![undefined, client.clientId].includes(params.audience)) throw new errors.InvalidTarget();
}

// An exchange keeps what the presented token carries, and adds nothing but names and roles.
function scopesOf(requested = "", presented = "") {
  const allowed = new Set([...ALWAYS_GRANTED, ...presented.split(" ")]);
  return requested.split(" ").filter((scope) => allowed.has(scope));
}
