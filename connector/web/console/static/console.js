// Keeps a page that shows something under way up to date; without it there is a link to refresh.
"use strict";
(function live() {
  const region = document.querySelector("[data-live]");
  if (!region) return;
  setTimeout(async () => {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.redirected) { location.reload(); return; }
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(region.id);
      if (fresh && !region.contains(document.activeElement)) region.replaceWith(fresh);
    } catch { /* the next round tries again */ }
    live();
  }, Number(region.dataset.live) * 1000);
})();
