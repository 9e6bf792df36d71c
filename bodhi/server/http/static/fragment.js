// A fragment never reaches the server: it is added to the page that a login, or the way to it, leads to.
"use strict";

const link = document.querySelector("[data-next]");
const form = document.querySelector("[data-returns]");

if (location.hash && link) {
  location.replace(link.href + location.hash);
}
if (location.hash && form) {
  const url = new URL(form.action);
  const page = url.searchParams.get("return_to");
  if (page && !page.includes("#")) {
    url.searchParams.set("return_to", page + location.hash);
    form.action = url.href;
    form.setAttribute("hx-post", url.pathname + url.search);
  }
}
