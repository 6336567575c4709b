// Keeps the progress of batches up to date while a page of the admin is looked at. A page that nobody sees asks nothing.
"use strict";

const EVERY_MS = 2000;
const shown = new Map(); // what did not change is left alone: a button keeps its focus

async function look() {
  const open = [...document.querySelectorAll("[data-live]")].filter((each) => each.dataset.ended === "no");
  if (open.length && !document.hidden) {
    const ids = open.map((each) => each.dataset.batch).join(",");
    const answer = await fetch(`${open[0].dataset.live}?ids=${ids}`, { redirect: "error" });
    const fresh = await answer.json();
    for (const each of open) {
      const { batch, size } = each.dataset;
      const told = fresh[batch]?.[size];
      if (told && shown.get(batch + size) !== told) {
        shown.set(batch + size, told);
        each.outerHTML = told;
      }
    }
  }
}

async function keepLooking() {
  try {
    await look();
  } finally {
    // a server that restarts is back in a moment; who was logged out sees it at the next click
    setTimeout(keepLooking, EVERY_MS);
  }
}

setTimeout(keepLooking, EVERY_MS);
