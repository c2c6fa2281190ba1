// The menu is folded where it would push the page away, and open where it stands beside it. Without script it is open.
// No module: it runs before the page is drawn, so that nothing jumps.
(() => {
  const menu = /** @type {HTMLDetailsElement} */ (document.getElementById("menu"));
  const beside = window.matchMedia("(min-width: 60rem)");
  const fit = () => {
    menu.open = beside.matches;
  };
  fit();
  beside.addEventListener("change", fit);
})();
