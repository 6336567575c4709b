// Keeps the progress of batches up to date while a page of the admin is looked at. A page that nobody sees asks nothing.
"use strict";

const EVERY_MS = 2000;

async function look() {
  const open = [...document.querySelectorAll("[data-live]")].filter((each) => each.dataset.ended === "no");
  if (open.length && !document.hidden) {
    const ids = open.map((each) => each.dataset.batch).join(",");
    const answer = await fetch(`${open[0].dataset.live}?ids=${ids}`, { redirect: "error" });
    const fresh = await answer.json();
    for (const each of open) {
      const told = fresh[each.dataset.batch];
      if (told) each.outerHTML = told[each.dataset.size];
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
