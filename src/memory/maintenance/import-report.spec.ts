import { ImportReport, type LineOutcome } from './import-report.js';

const imported: LineOutcome = { status: 'imported' };
const known: LineOutcome = { status: 'known' };
const duplicate = (id: string): LineOutcome => ({ status: 'duplicate', id });
const failed = (problem: string): LineOutcome => ({ status: 'failed', problem });

describe(ImportReport.name, () => {
  it('tells of every line, those in a row that came to the same together', () => {
    const sut = new ImportReport();
    const outcomes: [number, LineOutcome][] = [
      [1, imported],
      [2, imported],
      [4, imported],
      [5, failed('it is not JSON')],
      [6, failed('it is not JSON')],
      [7, failed('text: must be a string')],
      [8, known],
      [9, duplicate('a')],
      [10, duplicate('a')],
      [11, duplicate('b')],
    ];
    for (const [line, outcome] of outcomes) sut.add(line, outcome);
    expect(sut.result).toEqual({
      imported: 3,
      known: 1,
      duplicate: 3,
      failed: 3,
      lines: [
        { from: 1, to: 4, status: 'imported' },
        { from: 5, to: 6, status: 'failed', problem: 'it is not JSON' },
        { from: 7, to: 7, status: 'failed', problem: 'text: must be a string' },
        { from: 8, to: 8, status: 'known' },
        { from: 9, to: 10, status: 'duplicate', id: 'a' },
        { from: 11, to: 11, status: 'duplicate', id: 'b' },
      ],
      linesOmitted: 0,
    });
  });

  it('is bounded, and says how much it leaves out', () => {
    const sut = new ImportReport();
    for (let line = 1; line <= 10_000; line++) sut.add(line, line % 2 ? imported : known);
    const { lines, ...counts } = sut.result;
    expect(counts).toEqual({ imported: 5_000, known: 5_000, duplicate: 0, failed: 0, linesOmitted: 9_000 });
    expect(lines).toHaveLength(1_000);
    expect(lines.at(-1)).toEqual({ from: 1_000, to: 1_000, status: 'known' });
  });
});
