// The talk of a circle: drafts, jumping to a message, and files that are sent, shown and saved.
(() => {
  const $ = id => document.getElementById(id);
  const secret = sessionStorage.getItem("page") || "";

  // ---- what was typed and not sent stays with its circle: in this tab's memory, and sealed by the program
  // (with whom it is for and what it answers: it must not come back as words for somebody else)
  const drafts = new Map();
  const circle = () => $("composer")?.getAttribute("hx-post");
  let waits = 0;
  const rest = () => { clearTimeout(waits); waits = 0; };
  const seal = keepalive => {
    if (!waits) return;
    rest();
    if (circle()) fetch(circle().replace(/say$/, "draft"), {
      method: "POST", headers: {"X-Page": secret}, keepalive,
      body: new URLSearchParams(new FormData($("composer"))),
    }).catch(() => {});
  };
  const sealSoon = () => { waits ||= setTimeout(seal, 2000); };
  const keep = () => {
    const typed = Object.fromEntries(new FormData($("composer")));
    if (typed.text) drafts.set(circle(), {...typed, answer: typed.reply || ""});
    else drafts.delete(circle());
  };
  document.addEventListener("input", event => {
    if (event.target.form?.id !== "composer") return;
    keep();
    sealSoon();
  });
  document.addEventListener("click", event => { // whatever leads away from here
    if (event.target.closest("button, a") && !event.target.closest(".send")) seal();
  }, true);
  addEventListener("beforeunload", () => seal(true)); // at pagehide the page is empty already
  document.addEventListener("htmx:config:request", event => {
    if (event.detail.ctx.request.action?.endsWith("/say")) rest(); // said words are no draft
  });
  document.addEventListener("htmx:after:swap", event => {
    const target = event.detail.ctx.target;
    if (target.id === "unsaid" && circle()) sealSoon();
    if (target.id === "page" && !target.querySelector("[data-open]")) drafts.clear();
    if (!circle() || (target.id !== "page" && target.id !== "composer")) return;
    const draft = drafts.get(circle());
    if ("sent" in $("composer").dataset) drafts.delete(circle());
    else if (target.id === "composer" || !draft) keep();
    else if (draft.text !== $("text").value) htmx.ajax("POST", circle().replace(/say$/, "compose"), {
      target: "#composer", swap: "outerHTML", values: draft,
    });
  });

  // ---- to a message: at once where the page shows it
  document.addEventListener("click", event => {
    const place = $(event.target.closest("[data-jump]")?.dataset.jump);
    if (!place) return;
    event.preventDefault();
    event.stopPropagation();
    place.scrollIntoView({block: "center"});
    place.focus({preventScroll: true});
  }, true);

  // ---- what is put above what is read does not push it away
  let first, top;
  const held = event => event.detail.ctx.swap?.startsWith("afterbegin") && $("entries");
  document.addEventListener("htmx:before:swap", event => {
    first = held(event)?.firstElementChild;
    top = first?.getBoundingClientRect().top;
  });
  document.addEventListener("htmx:after:swap", event => {
    if (held(event) && first) scrollBy(0, first.getBoundingClientRect().top - top);
  });

  // ---- a file goes as it is, behind the rest of its form in one line
  document.addEventListener("htmx:config:request", event => {
    const request = event.detail.ctx.request;
    const file = request.body.get?.("file");
    if (!(file instanceof File)) return;
    request.body.delete("file");
    request.headers["Content-Type"] = "application/octet-stream";
    request.body = new Blob([new URLSearchParams(request.body) + "\n", file]);
  });

  // ---- a file that is here: asked for with the secret, kept in this page, shown and saved from there
  const files = new WeakMap();
  const show = async button => {
    const view = button.nextElementSibling, opens = view.hidden;
    const medium = view.querySelector("img, audio");
    if (opens && !files.has(view)) {
      const answer = await fetch(button.dataset.showsFile, {headers: {"X-Page": secret}}).catch(() => null);
      const type = answer?.headers.get("Content-Type") || "";
      const failed = () => { view.nextElementSibling.hidden = false; };
      if (!answer?.ok || !/^(image|audio)\//.test(type)) return failed();
      files.set(view, URL.createObjectURL(await answer.blob()));
      medium.onerror = failed;
      medium.src = files.get(view);
    }
    if (!opens) medium.pause?.();
    view.hidden = !opens;
    button.setAttribute("aria-expanded", opens);
  };
  document.addEventListener("click", event => {
    const button = event.target.closest("[data-shows-file]");
    if (button) show(button);
    const saves = event.target.closest("[data-saves]");
    if (!saves) return;
    const link = document.createElement("a");
    link.href = files.get(saves.closest(".view"));
    link.download = saves.dataset.saves;
    link.click();
  });
  document.addEventListener("htmx:before:swap", event => {
    if (event.detail.ctx.target.id !== "page") return;
    for (const view of document.querySelectorAll(".view")) URL.revokeObjectURL(files.get(view));
  });
})();
