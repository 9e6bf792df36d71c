// The few pages that the realm shows: a login without a password, a logout, an error.

import { routesOf, formOf } from "./routes.js";

export function loginPages({ provider, directory, path }) {
  const show = async (ctx, { problem = "", username } = {}) => {
    const { params, uid } = await provider.interactionDetails(ctx.req, ctx.res);
    const client = await provider.Client.find(params.client_id);
    ctx.status = problem ? 400 : 200;
    ctx.body = page(
      "Sign in",
      `<p>to continue to <strong>${escaped(client.clientName ?? client.clientId)}</strong></p>
      ${problem && `<p role="alert">${escaped(problem)}</p>`}
      <form method="post" action="${path}/login/${uid}">
        <label for="username">User name</label>
        <input id="username" name="username" value="${escaped(username ?? params.login_hint ?? "")}"
          autocomplete="username" autocapitalize="none" required autofocus>
        <button>Sign in</button>
      </form>`,
    );
  };

  const submit = async (ctx) => {
    const username = (await formOf(ctx)).get("username") ?? "";
    const person = directory.personByName(username);
    if (!person) return show(ctx, { problem: "There is no such user.", username });
    ctx.respond = false; // oidc-provider ends the answer by itself
    await provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: person.id } });
  };

  return routesOf({ [`GET ${path}/login/:uid`]: (ctx) => show(ctx), [`POST ${path}/login/:uid`]: submit });
}

// Who comes with an ID token is not asked again.
export function confirmLogout(ctx, form) {
  const isKnown = ctx.oidc.entities.IdTokenHint !== undefined;
  const filled = form.replace("</form>", '<input type="hidden" name="logout" value="yes"></form>');
  const button = '<button type="submit" form="op.logoutForm">Sign out</button>';
  ctx.body = page(
    "Sign out",
    isKnown ? `${filled}<noscript>${button}</noscript><script>document.forms[0].submit()</script>` : filled + button,
  );
}

export function loggedOut(ctx) {
  ctx.body = page("Signed out", "<p>You can close this page.</p>");
}

export function renderError(ctx, { error, error_description: description }) {
  ctx.type = "html";
  ctx.body = page("That did not work", `<p role="alert">${escaped(error)}: ${escaped(description ?? "")}</p>`);
}

function page(title, content) {
  return `<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>${title} - test realm</title>
    <link rel="icon" href="data:,">
    <style>
      body { font: 1rem/1.5 system-ui, sans-serif; max-width: 22rem; margin: 15vh auto; padding: 0 1rem; }
      input, button { font: inherit; display: block; width: 100%; box-sizing: border-box; margin: 0.5rem 0; padding: 0.5rem; }
    </style>
  </head>
  <body>
    <main>
      <h1>${title}</h1>
      ${content}
    </main>
  </body>
</html>
`;
}

function escaped(text) {
  const entities = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return String(text).replace(/[&<>"']/g, (character) => entities[character]);
}
