// Completes a login: hands over what the identity provider's answer brought, and goes where the server says.
"use strict";

const form = document.getElementById("answer");

if (form) {
  const fields = Object.fromEntries(new FormData(form));
  // The code is not to stay in the address, nor in what the browser remembers.
  history.replaceState(null, "", location.pathname);
  complete(form, fields);
}

async function complete(form, fields) {
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
      // Only ever to this site, and in the place of this page: "back" does not lead to a used answer.
      location.replace(next.origin === location.origin ? next.href : form.dataset.home);
      return;
    }
    if (answer.error.code === "auth_error-session_gone") {
      // Another tab has logged in at the same moment. The start page knows.
      location.replace(form.dataset.home);
      return;
    }
    if (answer.error.code === "login_error-other_user") {
      // The login page says who is logged in, and how to log out first.
      location.replace(form.dataset.login);
      return;
    }
    problem = answer.error.message;
  } catch {
    // The connection broke, or something between answered in the server's place.
  }
  show(form, problem);
}

function show(form, problem) {
  form.hidden = true;
  document.title = document.getElementById("title").textContent = form.dataset.failed;
  document.getElementById("problem").hidden = false;
  document.getElementById("problem-text").textContent = problem;
  document.getElementById("again").focus();
}
