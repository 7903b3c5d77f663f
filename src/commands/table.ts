import { blankUnsafe } from '../shared/index.js';

// Wider cells would break the lines of a table on a terminal; the whole text is in "show".
const MAX_CELL_CHARACTERS = 60;
const GAP = '  ';

/** Column → text, in the order of the columns. */
export type Cells = Readonly<Record<string, string>>;

/** Rows under the names of their columns, a line each. */
export function tableOf(rows: readonly Cells[]): string {
  const columns = Object.keys(rows[0] ?? {});
  const lines = [columns, ...rows.map((row) => columns.map((column) => cell(row[column] ?? '')))];
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => lengthOf(line[index]))));
  return lines
    .map(
      (line) =>
        `${line
          .map((text, index) => pad(text, widths[index]))
          .join(GAP)
          .trimEnd()}\n`,
    )
    .join('');
}

/** Without the characters with which a text could rewrite what a terminal shows; line breaks and tabs stay. */
export function printable(text: string): string {
  return text.replaceAll(/[^\n\t]+/g, blankUnsafe);
}

function cell(text: string): string {
  const line = Array.from(blankUnsafe(text).replaceAll(/\s+/g, ' '));
  return line.length <= MAX_CELL_CHARACTERS ? line.join('') : `${line.slice(0, MAX_CELL_CHARACTERS - 1).join('')}…`;
}

const lengthOf = (text = ''): number => Array.from(text).length;
const pad = (text: string, width = 0): string => text + ' '.repeat(Math.max(0, width - lengthOf(text)));
