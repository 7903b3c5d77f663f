import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createLogger } from './logger.js';

const SOURCE = fileURLToPath(new URL('./logger.ts', import.meta.url));
const LOADER = new URL('../../../test/support/typescript-source.mjs', import.meta.url).href;

/** What a process writes that runs `program` with a `logger`, standard output and standard error in one. */
function outputOf(program: string, format = 'json'): string[] {
  const source = `
    import { createLogger } from ${JSON.stringify(SOURCE)};
    const logger = createLogger({ logs: { format: '${format}', level: 'log' } }, 'test');
    ${program}`;
  const options = ['--experimental-transform-types', '--disable-warning=ExperimentalWarning', '--import', LOADER];
  const directory = mkdtempSync(join(tmpdir(), 'logger-'));
  const file = openSync(join(directory, 'output'), 'w');
  try {
    spawnSync(process.execPath, [...options, '--input-type=module', '--eval', source], {
      stdio: ['ignore', file, file],
    });
    return readFileSync(join(directory, 'output'), 'utf8').trim().split('\n');
  } finally {
    closeSync(file);
    rmSync(directory, { recursive: true });
  }
}

const messagesIn = (lines: string[]) => lines.map((line) => (JSON.parse(line) as { message: unknown }).message);

describe(createLogger.name, () => {
  it('holds the lines of one turn of the event loop, and writes them when it is over', () => {
    const lines = outputOf(`
      logger.log('first');
      logger.log('second');
      const held = process.stdout.writableLength;
      setImmediate(() => logger.error(held > 0 && process.stdout.writableLength === 0 ? 'written' : 'not held'));`);
    expect(messagesIn(lines)).toEqual(['first', 'second', 'written']);
  });

  it('loses no line of a process that ends in the same turn', () => {
    expect(messagesIn(outputOf(`logger.log('first'); logger.log('last'); process.exit(0);`))).toEqual([
      'first',
      'last',
    ]);
  });

  it('loses no line of a process that ends by an error nobody catches', () => {
    const lines = outputOf(`logger.log('before'); throw new Error('the end');`);
    expect(lines.join('\n')).toContain('"message":"before"');
  });

  it('writes an error after what was logged before it', () => {
    const lines = outputOf(`logger.log('before'); logger.error('wrong'); logger.log('after');`);
    expect(messagesIn(lines)).toEqual(['before', 'wrong', 'after']);
  });

  describe.each(['text', 'json'])('as %s', (format) => {
    const FORGED = String.raw`'mine\n[test] 1 - all is well\r\u2028\u2029\u202eollah\u2066\u200f\u200b\u001b[2J\ud800'`;
    const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

    it.each([
      ['a message', `logger.log(${FORGED});`],
      ['a context', `logger.warn('said', ${FORGED});`],
      ['an object', `logger.log({ said: ${FORGED} });`],
      ['an error', `logger.error(new Error(${FORGED}));`],
      ['a stack', `logger.error('wrong', new Error(${FORGED}).stack);`],
    ])('lets %s neither begin a line nor turn one', (_, program) => {
      const lines = outputOf(program, format);
      expect(lines.filter((line) => UNSAFE.test(line))).toEqual([]);
      expect(lines.filter((line) => line.startsWith('[test] 1 '))).toEqual([]);
      expect(lines.join('')).toContain(String.raw`\u202eollah\u2066`);
    });
  });

  it('changes nothing of the value of a line of JSON', () => {
    expect(messagesIn(outputOf(String.raw`logger.log('a\n\u202e\u2028b');`))).toEqual(['a\n\u202e\u2028b']);
  });
});
