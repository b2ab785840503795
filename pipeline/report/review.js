(() => {
  "use strict";
  const root = document.getElementById("decisions");
  if (!root) return;
  const COLUMNS = ["row_id", "split", "given_label", "suggested_label", "issue", "score", "text",
                   "decision", "new_label", "note"];
  const rows = [...root.querySelectorAll("[data-row]")];
  const said = document.getElementById("decided");

  const field = (row, name) => row.querySelector(`[data-field="${name}"]`);
  const text = (value) => (value === null || value === undefined ? "" : String(value));
  // what a spreadsheet would read as a formula gets an apostrophe, which the import takes off again
  const safe = (value) => (/^[=+\-@\t\r\n'\uFF1D\uFF0B\uFF0D\uFF20]/.test(value) ? "'" + value : value);
  const quoted = (value) => '"' + safe(text(value)).replace(/"/g, '""') + '"';

  const cells = (row) => {
    const known = JSON.parse(row.dataset.row);
    const decision = field(row, "decision").value;
    const label = decision === "relabel" ? field(row, "new_label").value : "";
    return [known.row_id, known.split, known.given, known.suggested, known.issue, Number(known.score).toFixed(6),
            known.text, decision, label, field(row, "note").value];
  };

  const changed = (row) => {
    const decision = field(row, "decision").value;
    const label = field(row, "new_label");
    label.closest("label").hidden = decision !== "relabel";
    label.required = decision === "relabel";
    row.dataset.decision = decision;
    const done = rows.filter((r) => field(r, "decision").value).length;
    const open = rows.filter((r) => field(r, "decision").value === "relabel" && !field(r, "new_label").value.trim());
    said.textContent = `${done} of ${rows.length} decided` +
      (open.length ? `; ${open.length} to relabel without a new label` : "");
  };

  const save = () => {
    const lines = [COLUMNS, ...rows.map(cells)].map((line) => line.map(quoted).join(","));
    const file = new Blob([lines.join("\r\n") + "\r\n"], { type: "text/csv;charset=utf-8" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = "review.csv";
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };

  for (const row of rows) {
    field(row, "new_label").value = text(JSON.parse(row.dataset.row).suggested);
    row.addEventListener("input", () => changed(row));
    row.addEventListener("change", () => changed(row));
    changed(row);
  }
  document.getElementById("save-decisions").addEventListener("click", save);
  for (const box of root.querySelectorAll("[data-needs-script]")) box.hidden = false;
  for (const box of root.querySelectorAll("[data-without-script]")) box.hidden = true;
})();
