import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Logger } from '@nestjs/common';
import { SqliteDatabase } from '../infra/sqlite/index.js';
import { newId } from '../shared/index.js';
import { SqliteDeadLetterStore } from '../stream/adapters/sqlite/sqlite-dead-letter-store.js';
import { SqliteInputStream } from '../stream/adapters/sqlite/sqlite-input-stream.js';
import { ExitCode, readCommand, runCommand, type Terminal, UsageError } from './dead-letters-command.js';

const never = new AbortController().signal;

describe(readCommand.name, () => {
  it.each([
    ['list', { kind: 'list', limit: 20, json: false }],
    ['list --limit 5 --json', { kind: 'list', limit: 5, json: true }],
    ['show 7', { kind: 'show', id: '7', json: false }],
    ['requeue 1-0 2-0', { kind: 'requeue', ids: ['1-0', '2-0'], unasked: false }],
    ['drop --all --yes', { kind: 'drop', ids: 'all', unasked: true }],
    ['list --help', { kind: 'help' }],
  ])('understands "%s"', (line, command) => {
    expect(readCommand(line.split(' '))).toEqual(command);
  });

  it.each([
    '',
    'burn',
    'list 7',
    'list --limit 0',
    'list --limit ten',
    'show',
    'show 1 2',
    'requeue',
    'drop --all 7',
    'list --no-such-option',
    'list --limit',
  ])('refuses "%s", saying why', (line) => {
    const args = line.split(' ').filter((word) => word !== '');
    expect(() => readCommand(args)).toThrow(UsageError);
  });
});

describe(runCommand.name, () => {
  let folder: string;
  let path: string;
  let database: SqliteDatabase;
  let stream: SqliteInputStream;
  let printed: string;
  let complaints: string;
  let asked: string[];

  const terminal = (answer?: boolean): Terminal => ({
    isInteractive: answer !== undefined,
    print: (text) => (printed += text),
    complain: (text) => (complaints += text),
    confirm: async (question) => {
      asked.push(question);
      return answer === true;
    },
  });

  const run = (line: string, answer?: boolean): Promise<number> => {
    const command = readCommand(line.split(' '));
    if (command.kind === 'help') throw new Error('help is the entry file’s affair');
    return runCommand(command, new SqliteDeadLetterStore(database), terminal(answer));
  };

  async function bury(...messages: string[]): Promise<void> {
    for (const message of messages) {
      await stream.append({
        id: newId(),
        message,
        timestampMs: 1_790_000_000_000,
        userId: 'ada',
        sessionId: 's',
        role: 'user',
        context: 'user: hi',
      });
    }
    for (const delivered of await stream.read({ count: 1_000, blockMs: 0, signal: never })) {
      await stream.deadLetter(delivered, 'the server\nrefuses it');
    }
  }

  async function buryUndecodable(): Promise<void> {
    const outside = new DatabaseSync(path);
    outside.exec(`INSERT INTO stream_entries (id, message) VALUES ('x', 'secret')`);
    outside.close();
    await stream.read({ count: 10, blockMs: 0, signal: never });
  }

  beforeAll(() => {
    Logger.overrideLogger(false);
  });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dead-letters-'));
    path = join(folder, 'brain.sqlite');
    database = await SqliteDatabase.open(path);
    stream = new SqliteInputStream(database, { consumer: 'a', claimIdleMs: 60_000 });
    [printed, complaints, asked] = ['', '', []];
  });

  afterEach(async () => {
    await database.close();
    await rm(folder, { recursive: true });
  });

  it('says that there is nothing where there is nothing', async () => {
    expect(await run('list')).toBe(ExitCode.Done);
    expect(await run('requeue --all')).toBe(ExitCode.Done);
    expect(printed).toBe('No dead letters.\nNo dead letters.\n');
  });

  it('lists them in a table, a line each, with the beginning of the message', async () => {
    await bury(`first ${'x'.repeat(100)}`, 'second\u001b[2J\nforged line', 'third');

    expect(await run('list --limit 2')).toBe(ExitCode.Done);

    const [head, first, second, more] = printed.trimEnd().split('\n');
    expect(head).toMatch(/^ID {2}DEAD SINCE +DELIVERIES {2}USER {2}ERROR +MESSAGE$/);
    expect(first).toMatch(/^1 {3}\d{4}-\S+Z {2}1 +ada {3}the server refuses it {2}first x{44}\.\.\.$/);
    expect(second).toMatch(/second \[2J forged line\.\.\.$/);
    expect(more).toBe('2 of 3; --limit shows more.');
  });

  it('lists more than one page of them as JSON', async () => {
    await bury(...Array.from({ length: 150 }, (_, index) => `message ${index}`));

    await run('list --limit 120 --json');

    const { dead_letters: letters, total } = JSON.parse(printed) as { dead_letters: object[]; total: number };
    expect([letters.length, total]).toEqual([120, 150]);
    expect(letters[119]).toMatchObject({ id: '120', user_id: 'ada', preview: 'message 119...' });
  });

  it('shows one whole, without what would change the terminal', async () => {
    await bury(`${'x'.repeat(100)}\nsecond line\u001b[2J`);

    expect(await run('show 1')).toBe(ExitCode.Done);

    expect(printed).toContain(`${'x'.repeat(100)}\nsecond line [2J\n`);
    expect(printed).toContain('\ncontext:\nuser: hi\n');
    expect(printed).toContain('captured_at: 2026-09-21T14:13:20.000Z\n');
    await expect(run('show 2')).rejects.toMatchObject({ code: 'DEAD_LETTER_NOT_FOUND' });
  });

  it('names the fields of one that cannot be decoded, and not what is in them', async () => {
    await buryUndecodable();

    await run('list');
    await run('show 1');

    expect(printed).toContain('(cannot be decoded)');
    expect(printed).toContain('fields: id, message\n');
    expect(printed).not.toContain('secret');
  });

  it('requeues and drops those that are named, and complains of those it cannot', async () => {
    await bury('again', 'away', 'stays');
    await buryUndecodable();

    expect(await run('requeue 1')).toBe(ExitCode.Done);
    expect(await run('drop 2 2')).toBe(ExitCode.NotDone);
    expect(await run('requeue 4 99')).toBe(ExitCode.NotDone);

    expect(printed).toBe('1 dead letter requeued.\n1 dead letter dropped.\n0 dead letters requeued.\n');
    expect(complaints).toMatch(/^2: There is no such dead letter.*\n4: .*cannot be requeued.*\n99: There is no such/);
    expect(await stream.statistics()).toEqual({ lag: 1, pending: 0, deadLetters: 2 });
  });

  it('asks before it changes all of them, and takes no for an answer', async () => {
    await bury('a', 'b');

    expect(await run('drop --all', false)).toBe(ExitCode.NotDone);

    expect(asked).toEqual(['Drop 2 dead letters?']);
    expect((await stream.statistics()).deadLetters).toBe(2);
    expect(await run('requeue --all', true)).toBe(ExitCode.Done);
    expect(asked[1]).toBe('Requeue 2 dead letters?');
    expect(await stream.statistics()).toEqual({ lag: 2, pending: 0, deadLetters: 0 });
  });

  it('needs --yes for all of them where there is nobody to ask', async () => {
    await bury('a');

    await expect(run('requeue --all')).rejects.toThrow('--yes');
    expect((await stream.statistics()).deadLetters).toBe(1);

    expect(await run('requeue --all --yes')).toBe(ExitCode.Done);
    expect(await stream.statistics()).toEqual({ lag: 1, pending: 0, deadLetters: 0 });
  });

  it('requeues all that can be, more than a page of them, and leaves the rest', async () => {
    await bury(...Array.from({ length: 120 }, (_, index) => `message ${index}`));
    await buryUndecodable();

    expect(await run('requeue --all --yes')).toBe(ExitCode.NotDone);

    expect(printed).toBe('120 dead letters requeued.\n');
    expect(complaints).toContain('cannot be requeued');
    expect(await stream.statistics()).toEqual({ lag: 120, pending: 0, deadLetters: 1 });
  });
});
