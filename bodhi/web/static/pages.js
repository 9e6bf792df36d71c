// Says so when a form got no answer at all; every answer that there is comes with its own words.
"use strict";

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
