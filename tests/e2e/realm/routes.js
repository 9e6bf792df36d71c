// A router for a handful of routes, and what reads the bodies of their requests.

const LARGEST_BODY_BYTES = 64 * 1024;

// Middleware of `{"GET /a/:id": handler}`: a handler finds the parts of the path in ctx.params, and what it answers
// (unless nothing) becomes the body. What no route takes goes on to the next middleware.
export function routesOf(handlers) {
  const routes = Object.entries(handlers).map(([route, handler]) => {
    const [method, path] = route.split(" ");
    const pattern = new RegExp(`^${path.replace(/:(\w+)/g, "(?<$1>[^/]+)")}$`);
    return { method, pattern, handler };
  });

  return async (ctx, next) => {
    for (const { method, pattern, handler } of routes) {
      const found = ctx.method === method && pattern.exec(ctx.path);
      if (!found) continue;
      ctx.params = Object.fromEntries(
        Object.entries(found.groups ?? {}).map(([name, part]) => [name, decodeURIComponent(part)]),
      );
      const answer = await handler(ctx);
      if (answer !== undefined) ctx.body = answer;
      return;
    }
    await next();
  };
}

// An answer that is no success, in the form in which Keycloak says so.
export class Refused extends Error {
  constructor(status, error, description) {
    super(description ?? error);
    Object.assign(this, { status, body: { error, error_description: description } });
  }
}

export async function answerRefusals(ctx, next) {
  try {
    await next();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    ctx.status = error.status;
    ctx.body = error.body;
  }
}

export async function jsonOf(ctx) {
  const text = await textOf(ctx);
  try {
    const body = JSON.parse(text);
    if (typeof body === "object" && body !== null) return body;
  } catch {
    // answered below
  }
  throw new Refused(400, "invalid_request", "the body has to be a JSON object");
}

export async function formOf(ctx) {
  return new URLSearchParams(await textOf(ctx));
}

async function textOf(ctx) {
  const chunks = [];
  let size = 0;
  for await (const chunk of ctx.req) {
    size += chunk.length;
    if (size > LARGEST_BODY_BYTES) throw new Refused(413, "invalid_request", "the body is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
