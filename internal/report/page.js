(() => {
  "use strict";
  const tools = document.querySelector(".tools");
  if (!tools) return;
  const box = tools.querySelector("input[type=search]");
  const checks = [...tools.querySelectorAll("input[type=checkbox]")];
  const count = tools.querySelector("output");
  const images = [...document.querySelectorAll("article")].map((node) => ({
    node,
    head: node.querySelector("header").textContent.toLowerCase(),
    findings: [...node.querySelectorAll("li")].map((li) => ({
      node: li, severity: li.dataset.severity, text: li.textContent.toLowerCase(),
    })),
  }));
  const filter = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    const severities = new Set(checks.filter((c) => c.checked).map((c) => c.value));
    let findings = 0, shown = 0;
    for (const image of images) {
      let any = false;
      for (const f of image.findings) {
        const hit = severities.has(f.severity) && words.every((w) => f.text.includes(w) || image.head.includes(w));
        f.node.hidden = !hit;
        any ||= hit;
        if (hit) findings++;
      }
      image.node.hidden = !any;
      if (any) shown++;
    }
    count.textContent = `${findings} finding${findings === 1 ? "" : "s"} in ${shown} image${shown === 1 ? "" : "s"}`;
  };
  let timer;
  box.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(filter, 120); });
  for (const c of checks) c.addEventListener("change", filter);
  for (const a of document.querySelectorAll("a[data-rule]")) {
    a.addEventListener("click", () => { box.value = a.dataset.rule; for (const c of checks) c.checked = true; filter(); });
  }
  tools.hidden = false;
  filter();
})();
