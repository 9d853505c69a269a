// Column heads become buttons that sort; without this script the tables stand as they are.
document.documentElement.classList.add('js');
for (const table of document.querySelectorAll('table.sortable')) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  if (body.rows.length < 2) continue;
  heads.forEach((head, column) => {
    const button = document.createElement('span'); // Chromium does not repeat a head with a <button> on printed pages
    button.setAttribute('role', 'button');
    button.tabIndex = 0;
    button.append(...head.childNodes);
    head.append(button);
    const valueOf = row => {
      const cell = row.cells[column];
      if (!cell) return null;
      if (cell.dataset.value !== undefined) return cell.dataset.value === '' ? null : Number(cell.dataset.value);
      return cell.textContent.trim() || null;
    };
    const order = (a, b) => typeof a === 'number' ? a - b : a.localeCompare(b, undefined, { numeric: true });
    button.addEventListener('keydown', event => {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      button.click();
    });
    button.addEventListener('click', () => {
      const sign = head.getAttribute('aria-sort') === 'ascending' ? -1 : 1;
      heads.forEach(other => other.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', sign > 0 ? 'ascending' : 'descending');
      table.classList.add('sorted');
      const rows = [...body.rows].map(row => [valueOf(row), row]);
      rows.sort(([a], [b]) => a === null || b === null ? (a === null) - (b === null) : sign * order(a, b)); // empty last
      body.append(...rows.map(([, row]) => row));
    });
  });
}
