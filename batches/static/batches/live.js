// Updates the progress of batches while an admin page is open. Hidden pages send no requests.
"use strict";

const INTERVAL_MS = 2000;
// What has not changed is not replaced, so that a button keeps the focus.
const rendered = new Map();

async function update() {
  const elements = [...document.querySelectorAll("[data-live]")];
  const live = elements.filter((element) => element.dataset.ended === "no");
  if (!live.length || document.hidden) {
    return;
  }
  const ids = live.map((element) => element.dataset.batch).join(",");
  const response = await fetch(`${live[0].dataset.live}?ids=${ids}`, { redirect: "error" });
  const states = await response.json();
  for (const element of live) {
    const { batch, size } = element.dataset;
    const html = states[batch]?.[size];
    if (html && rendered.get(batch + size) !== html) {
      rendered.set(batch + size, html);
      element.outerHTML = html;
    }
  }
}

async function updateRepeatedly() {
  try {
    await update();
  } finally {
    // A server that restarts is back in a moment; a user who was logged out notices at a click.
    setTimeout(updateRepeatedly, INTERVAL_MS);
  }
}

setTimeout(updateRepeatedly, INTERVAL_MS);
