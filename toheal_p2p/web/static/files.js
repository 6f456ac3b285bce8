// Files that come from this device and go to it: htmx sends and takes text only.
(() => {
  const $ = id => document.getElementById(id);

  // A link that was saved as a file: into the field for links.
  document.addEventListener("change", async event => {
    const {fills, names} = event.target.dataset, field = $(fills), [file] = event.target.files || [];
    if (names) $(names).textContent = file ? file.name : "";
    if (field && file) field.value = (await file.slice(0, 16384).text()).trim();
  });

  // A sealed file is sent as it is.
  document.addEventListener("htmx:config:request", event => {
    const {ctx} = event.detail, input = $(ctx.sourceElement.dataset.sends);
    if (!input) return;
    ctx.request.body = input.files[0];
    ctx.request.headers["Content-Type"] = "application/octet-stream";
  });

  // A sealed file is asked for with the page's secret, then saved as by a link.
  document.addEventListener("click", async event => {
    const button = event.target.closest("[data-downloads]");
    if (!button) return;
    const place = $(button.dataset.says);
    place.textContent = place.dataset.busy;
    button.disabled = true;
    try {
      const headers = {"X-Page": sessionStorage.getItem("page") || ""};
      const answer = await fetch(button.dataset.downloads, {method: "POST", headers});
      if (!answer.headers.has("X-Said")) {
        $("page").innerHTML = await answer.text();
        htmx.process($("page"));
        return;
      }
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await answer.blob());
      link.download = "sealed.bin";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
      place.textContent = decodeURIComponent(answer.headers.get("X-Said"));
    } catch (gone) {
      place.textContent = place.dataset.failed;
    } finally {
      button.disabled = false;
    }
  });
})();
