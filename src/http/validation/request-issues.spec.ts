import { z } from 'zod';
import { InvalidRequestError } from '../http.errors.js';
import { problemOf } from '../problem/problem-of.js';
import { describeIssues } from './request-issues.js';

const strict = z.strictObject({ name: z.string().optional(), entries: z.array(z.strictObject({})).optional() });
const issuesOf = (schema: z.ZodType, value: unknown) => schema.safeParse(value).error?.issues ?? [];
const entries = (count: number, value: (index: number) => unknown) =>
  Array.from({ length: count }, (_, index) => value(index));

describe(describeIssues.name, () => {
  it('names what is wrong, and where', () => {
    expect(describeIssues(issuesOf(strict, { name: 1, colour: 'red', entries: [{ size: 2 }] }))).toEqual([
      { path: 'name', message: 'Invalid input: expected string, received number' },
      { path: 'entries.0', message: 'Unrecognized key: "size"' },
      { path: '', message: 'Unrecognized key: "colour"' },
    ]);
  });

  it('counts the unknown fields beyond the first ten', () => {
    const body = Object.fromEntries(entries(80_000, (index) => [`key-${index}`, 1]) as [string, number][]);
    const [fault, ...others] = describeIssues(issuesOf(strict, body));
    expect(others).toEqual([]);
    expect(fault!.message).toMatch(/^Unrecognized keys: "key-0", .*"key-9" and 79990 more$/);
  });

  it('counts the faults beyond the first twenty', () => {
    const faults = describeIssues(issuesOf(strict, { entries: entries(64, () => ({ size: 1 })) }));
    expect(faults).toHaveLength(21);
    expect(faults.at(-1)).toEqual({ path: '', message: 'and 44 more' });
  });

  it.each<[string, z.ZodType, unknown]>([
    [
      '80,000 unknown fields',
      strict,
      Object.fromEntries(entries(80_000, (index) => [`key-${index}`, 1]) as [string, number][]),
    ],
    ['an unknown field with a name of a megabyte', strict, { ['k'.repeat(1_000_000)]: 1 }],
    ['unknown fields in each of 64 entries', strict, { entries: entries(64, () => ({ ['😀'.repeat(10_000)]: 1 })) }],
    ['80,000 entries of the wrong type', strict, { entries: entries(80_000, () => 1) }],
    [
      'a path through long names',
      z.record(z.string(), z.record(z.string(), z.string())),
      { ['a'.repeat(500_000)]: { ['b'.repeat(500_000)]: 1 } },
    ],
    [
      'a message that quotes what it got',
      z.unknown().superRefine((value, context) => {
        context.addIssue(`not ${String(value)}`);
      }),
      'x'.repeat(1_000_000),
    ],
  ])('is short whatever a client sends: %s', (_, schema, value) => {
    const logger = { log: () => undefined, error: () => undefined, warn: () => undefined };
    const problem = problemOf(new InvalidRequestError(describeIssues(issuesOf(schema, value))), {} as never, logger);
    expect(problem.status).toBe(400);
    const answer = JSON.stringify(problem);
    expect(answer.length).toBeLessThan(20_000);
    expect(answer).not.toMatch(/\\ud[89a-f]/);
  });
});
