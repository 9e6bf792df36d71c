"use strict";

const LANGUAGE = document.documentElement.lang;
const RELATIVE_TIME = new Intl.RelativeTimeFormat(LANGUAGE);
const LOCAL_TIME = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "medium", timeStyle: "short" });
const CLOCK = new Intl.DateTimeFormat(LANGUAGE, { timeStyle: "short" });
const UNITS = { day: 86_400, hour: 3_600, minute: 60 };
const MAX_RELATIVE_SECONDS = 7 * UNITS.day;
const COPIED_MS = 2_000;

// The server writes times in UTC, which stays as their title. A timer would be wrong: a page shows what was known when it
// was loaded, and each change would be read out again.
function showTimes() {
  for (const time of document.querySelectorAll("time[datetime]:not([data-clock])")) {
    time.title ||= time.textContent;
    time.textContent = timeText(new Date(time.dateTime));
  }
  for (const element of document.querySelectorAll("[data-clock]")) {
    element.textContent = CLOCK.format(new Date(element.dataset.clock));
  }
}

function timeText(time) {
  const seconds = (time - Date.now()) / 1000;
  if (Math.abs(seconds) >= MAX_RELATIVE_SECONDS) {
    return LOCAL_TIME.format(time);
  }
  const unit = Object.keys(UNITS).find((name) => Math.abs(seconds) >= UNITS[name]);
  return unit ? RELATIVE_TIME.format(Math.trunc(seconds / UNITS[unit]), unit) : "just now";
}

showTimes();
document.addEventListener("htmx:after:swap", showTimes);

// On a phone the navigation scrolls sideways: start where the current page and its neighbours are visible.
for (const link of document.querySelectorAll("nav [aria-current]")) {
  link.scrollIntoView({ block: "nearest", inline: "center" });
}

// It is said once: a reload shows the page without it.
if (document.querySelector("[data-once]")) {
  history.replaceState(null, "", location.pathname);
}

// The request got no response at all; error responses have their own message.
document.addEventListener("htmx:error", () => {
  const notice = document.getElementById("notice");
  const problem = document.createElement("p");
  problem.className = "notice notice-problem";
  problem.textContent = notice.dataset.unreachable;
  notice.replaceChildren(problem);
});

document.addEventListener("htmx:before:request", () => {
  document.getElementById("notice").replaceChildren(); // it was about the previous request
});

// A search replaces only its results; put it into the address, so that "back" leads to it.
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

// Cancel closes its confirmation; without scripts it is a link to the page.
document.addEventListener("click", (event) => {
  const details = event.target.closest("[data-cancel]")?.closest("details");
  if (details) {
    event.preventDefault();
    details.open = false;
    details.querySelector("summary").focus();
  }
});

// <button data-copy="text"> copies the text.
document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy]");
  if (!button) {
    return;
  }
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    copySelection(button); // without HTTPS browsers have no clipboard API
  }
  button.dataset.label ??= button.textContent;
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = button.dataset.label), COPIED_MS);
});

function copySelection(button) {
  const field = document.createElement("textarea");
  field.value = button.dataset.copy;
  button.after(field);
  field.select();
  document.execCommand("copy");
  field.remove();
  button.focus();
}
