// Completes a login: posts the parameters of the identity provider's redirect, and opens the page that the server names.
"use strict";

const form = document.getElementById("answer");

if (form) {
  const fields = Object.fromEntries(new FormData(form));
  // Redirects keep a fragment, up to this page if the provider asks for nothing. Some providers add one without meaning.
  const fragment = ["#_=_", "#_"].includes(location.hash) ? "" : location.hash;
  // The code is not to stay in the address, nor in what the browser remembers.
  history.replaceState(null, "", location.pathname);
  complete(form, fields, fragment);
}

async function complete(form, fields, fragment) {
  const button = form.querySelector("button");
  button.disabled = true; // the answer can be used once: by this script or by the button
  button.setAttribute("aria-busy", "true");
  let problem = form.dataset.unreachable;
  try {
    const response = await fetch(form.dataset.endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify(fields),
      redirect: "error",
    });
    const answer = await response.json();
    if (response.ok) {
      const next = new URL(answer.location, location.href);
      next.hash ||= fragment;
      // Only ever to this site, and in the place of this page: "back" does not lead to a used answer.
      location.replace(next.origin === location.origin ? next.href : form.dataset.home);
      return;
    }
    if (answer.error.code === "auth_error-session_gone") {
      // Another tab completed a sign-in at the same time.
      location.replace(form.dataset.home);
      return;
    }
    if (answer.error.code === "login_error-other_user") {
      // The login page names the signed-in user and offers to sign out.
      location.replace(form.dataset.login);
      return;
    }
    problem = answer.error.message;
    showReference(response.headers.get("X-Request-ID"));
    // The next attempt leads to the same page.
    document.getElementById("again").href = answer.error.param?.login ?? form.dataset.login;
  } catch {
    // The connection broke, or something between answered in the server's place.
  }
  show(form, problem);
}

// The log has the cause under this id.
function showReference(id) {
  const line = document.getElementById("reference");
  line.hidden = !id;
  line.querySelector("code").textContent = id;
}

function show(form, problem) {
  form.hidden = true;
  document.title = document.getElementById("title").textContent = form.dataset.failed;
  document.getElementById("problem").hidden = false;
  document.getElementById("problem-text").textContent = problem;
  document.getElementById("again").focus();
}
