import { html } from "../ui.js";

// A table; on a phone each row is a card.
// columns: [{title, cell: (row) => element or text}], the first one is the row's name. keyOf(row) says which is which.
// The roles are those that a browser forgets when the styles make it no table.
export function Table({ caption, columns, rows, keyOf, loading = false }) {
  if (rows.length === 0) return null;
  return html`
    <table role="table" aria-busy=${loading ? "true" : undefined}>
      <caption class="hidden">${caption}</caption>
      <thead role="rowgroup">
        <tr role="row">${columns.map(({ title }) => html`<th role="columnheader" scope="col" key=${title}>${title}</th>`)}</tr>
      </thead>
      <tbody role="rowgroup">
        ${rows.map((row) => html`
          <tr role="row" key=${keyOf(row)}>
            ${columns.map(({ title, cell }, index) => index === 0
              ? html`<th role="rowheader" scope="row" key=${title} data-label=${title}><div>${cell(row)}</div></th>`
              : html`<td role="cell" key=${title} data-label=${title}><div>${cell(row)}</div></td>`)}
          </tr>
        `)}
      </tbody>
    </table>
  `;
}
