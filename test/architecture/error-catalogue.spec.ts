import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');
const AREA_WHAT = /^[A-Z]+(?:_[A-Z]+)+$/;

interface ErrorCode {
  readonly code: string;
  readonly httpStatus: number | undefined;
  readonly file: string;
}

interface ErrorClass {
  readonly name: string;
  readonly parent: string;
  readonly file: string;
  readonly code: string | undefined;
  readonly httpStatus: number | undefined;
}

const sources = globSync(['src/**/*.ts', 'packages/*/src/**/*.ts'], { cwd: root })
  .filter((file) => !file.endsWith('.spec.ts'))
  .map((file) => ({ file, text: readFileSync(join(root, file), 'utf8') }));

/** Codes that a class declares as `readonly code = 'AREA_WHAT'`, with the status of the class or of its parent. */
function declaredCodes(): ErrorCode[] {
  const classes = sources.flatMap(({ file, text }) =>
    text.split(/^(?=(?:export )?(?:abstract )?class )/m).flatMap(classIn(file)),
  );
  const statusOf = ({ httpStatus, parent, file }: ErrorClass): number | undefined => {
    const above = classes.filter(({ name }) => name === parent);
    const nearest = above.find((candidate) => candidate.file === file) ?? above[0];
    return httpStatus ?? (nearest && statusOf(nearest));
  };
  return classes.flatMap((errorClass) =>
    errorClass.code === undefined
      ? []
      : [{ code: errorClass.code, httpStatus: statusOf(errorClass), file: errorClass.file }],
  );
}

const classIn =
  (file: string) =>
  (text: string): ErrorClass[] => {
    const [, name, parent] = /^(?:export )?(?:abstract )?class (\w+) extends (\w+)/.exec(text) ?? [];
    if (name === undefined || parent === undefined) return [];
    const code = /^ {2}(?:override )?readonly code(?:: string)? = '([^']*)'/m.exec(text)?.[1];
    const status = /^ {2}(?:override )?readonly httpStatus(?:: number)? = (\d+)/m.exec(text)?.[1];
    return [{ name, parent, file, code, httpStatus: status === undefined ? undefined : Number(status) }];
  };

/** Codes of the problems that the HTTP edge makes out of other libraries' errors. */
function edgeCodes(): ErrorCode[] {
  const file = 'src/http/problem/problem-of.ts';
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/(?:createProblem\(|^ {2})(\d{3})[,:] '([A-Z_]+)'/gm)].map(([, status, code = '']) => ({
    code,
    httpStatus: Number(status),
    file,
  }));
}

/** The rows of the tables in docs/errors.md. */
function documentedCodes(): { code: string; httpStatus: number; meaning: string; remedy: string }[] {
  const text = readFileSync(join(root, 'docs/errors.md'), 'utf8');
  return [...text.matchAll(/^\| `([A-Z_]+)` +\| (\d{3}) +\|([^|]*)\|([^|]*)\|$/gm)].map(
    ([, code = '', httpStatus, meaning = '', remedy = '']) => ({
      code,
      httpStatus: Number(httpStatus),
      meaning: meaning.trim(),
      remedy: remedy.trim(),
    }),
  );
}

describe('The error codes', () => {
  const declared = declaredCodes();
  const all = [...declared, ...edgeCodes()];

  it('are found: those of the classes and those of the HTTP edge', () => {
    const literals = sources.flatMap(({ text }) => text.match(/\breadonly code(?:: string)? = '/g) ?? []);

    expect(declared.length).toBeGreaterThan(15);
    expect(declared).toHaveLength(literals.length);
    expect(edgeCodes().map(({ code }) => code)).toEqual(
      expect.arrayContaining(['REQUEST_MALFORMED', 'ROUTE_NOT_FOUND']),
    );
  });

  it('have the form AREA_WHAT, and each belongs to one class', () => {
    const codes = declared.map(({ code }) => code);

    expect(codes.filter((code) => !AREA_WHAT.test(code))).toEqual([]);
    expect(codes.filter((code, index) => codes.indexOf(code) !== index)).toEqual([]);
    expect(edgeCodes().filter(({ code }) => codes.includes(code))).toEqual([]);
  });

  it('stand in docs/errors.md, each with its HTTP status', () => {
    const documented = new Map(documentedCodes().map(({ code, httpStatus }) => [code, httpStatus]));

    expect(all.map(({ code, httpStatus, file }) => ({ code, httpStatus, file }))).toEqual(
      all.map(({ code, file }) => ({ code, httpStatus: documented.get(code), file })),
    );
  });

  it('are explained there: what happened and what to do', () => {
    const tooShort = documentedCodes().filter(({ meaning, remedy }) => meaning.length < 15 || remedy.length < 8);

    expect(tooShort).toEqual([]);
  });

  it('are the only ones there, and each has one row', () => {
    const known = all.map(({ code }) => code);
    const rows = documentedCodes().map(({ code }) => code);
    const mentioned = readFileSync(join(root, 'docs/errors.md'), 'utf8').match(/^\| `[A-Z_]+`/gm) ?? [];

    expect(rows.filter((code) => !known.includes(code))).toEqual([]);
    expect(rows.filter((code, index) => rows.indexOf(code) !== index)).toEqual([]);
    expect(mentioned).toHaveLength(rows.length);
  });
});
