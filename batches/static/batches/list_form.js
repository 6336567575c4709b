// A form with a list that could not be sent says so: its page is not left, and nothing else would.
"use strict";

function showFailure(text) {
  const place = document.getElementById("refusals");
  const line = document.createElement("p");
  line.className = "text-red-700 dark:text-red-400";
  line.textContent = text;
  place.replaceChildren(line);
}

document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  showFailure(
    status === 413
      ? "The file is too large."
      : `The server answered ${status}. Nothing was stored; try again, or reload the page.`,
  );
});

document.addEventListener("htmx:sendError", () => {
  showFailure("The server cannot be reached. Nothing was stored; try again.");
});
