"use strict";

// Says so when a form got no answer at all; every answer that there is comes with its own words.
document.addEventListener("htmx:error", () => {
  const notice = document.getElementById("notice");
  const problem = document.createElement("p");
  problem.className = "notice notice-problem";
  problem.textContent = notice.dataset.unreachable;
  notice.replaceChildren(problem);
});

document.addEventListener("htmx:before:request", () => {
  document.getElementById("notice").replaceChildren(); // it was about the last one
});

// A search that is answered in its place stands in the address nevertheless: there the way back leads.
document.addEventListener("submit", ({ target: form }) => {
  if (form.method === "get") {
    history.replaceState(null, "", `${form.action}?${new URLSearchParams(new FormData(form))}`);
  }
});

// A button that changes a setting is enabled once another value is chosen.
const isChanged = (select) => [...select.options].some((option) => option.selected && !option.defaultSelected);
const enableChanges = () => {
  for (const form of document.querySelectorAll("form[data-changes]")) {
    form.querySelector("button").disabled = ![...form.querySelectorAll("select")].some(isChanged);
  }
};
addEventListener("pageshow", enableChanges); // by then the browser has restored what was chosen before
document.addEventListener("change", enableChanges);

// What is shown once is copied with one press.
document.addEventListener("click", ({ target: button }) => {
  const text = button.dataset?.copies && document.getElementById(button.dataset.copies);
  if (text) {
    getSelection().selectAllChildren(text); // for browsers that let nobody at the clipboard
    navigator.clipboard?.writeText(text.textContent).then(() => (button.textContent = button.dataset.copied));
  }
});
