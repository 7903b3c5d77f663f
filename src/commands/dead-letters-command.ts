import { parseArgs, type ParseArgsConfig } from 'node:util';
import {
  DeadLetterNotFoundError,
  type DeadLetterStore,
  DeadLetterUndecodableError,
  toDeadLetterBody,
  toDeadLetterSummary,
} from '../stream/index.js';
import { type Cells, printable, tableOf } from './table.js';

export const USAGE = `Usage: npm run dead-letters -- list [--limit N] [--json]
       npm run dead-letters -- show ID [--json]
       npm run dead-letters -- requeue ID… | --all [--yes]
       npm run dead-letters -- drop ID… | --all [--yes]

Dead letters are captured messages that no worker could process. "requeue" sends them to the end of the deadLetters,
where they are processed as if they were new; "drop" removes them for good. The settings are those of the brain.
`;

export const ExitCode = { Done: 0, NotDone: 1, WrongUsage: 2 } as const;

const DEFAULT_LIMIT = 20;
// Dead letters held at once with all their texts.
const PAGE = 100;
const OPTIONS = {
  limit: { type: 'string' },
  json: { type: 'boolean', default: false },
  all: { type: 'boolean', default: false },
  yes: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const satisfies ParseArgsConfig['options'];

/** What to do, as asked for on the command line. */
export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'list'; readonly limit: number; readonly json: boolean }
  | { readonly kind: 'show'; readonly id: string; readonly json: boolean }
  | { readonly kind: 'requeue' | 'drop'; readonly ids: readonly string[] | 'all'; readonly unasked: boolean };

type Change = Extract<Command, { readonly ids: unknown }>;
type Summary = ReturnType<typeof toDeadLetterSummary>;

/** Where the command speaks, and asks. */
export interface Terminal {
  /** Whether somebody is there to be asked. */
  readonly isInteractive: boolean;
  print(text: string): void;
  complain(text: string): void;
  /** Whether the answer was yes. */
  confirm(question: string): Promise<boolean>;
}

/** The command line says nothing that can be done. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** @throws UsageError */
export function readCommand(args: readonly string[]): Command {
  const { values, positionals } = parse(args);
  const [kind, ...ids] = positionals;
  const { json, all, yes: unasked, limit, help } = values;
  if (help) return { kind: 'help' };
  switch (kind) {
    case 'list':
      if (ids.length > 0) throw new UsageError('"list" takes no ID; "show" does.');
      return { kind, limit: readLimit(limit), json };
    case 'show': {
      const [id] = ids;
      if (id === undefined || ids.length > 1) throw new UsageError('"show" takes one ID; "list" names them.');
      return { kind, id, json };
    }
    case 'requeue':
    case 'drop':
      if (all === ids.length > 0) throw new UsageError(`"${kind}" takes IDs, or --all; "list" names them.`);
      return { kind, ids: all ? 'all' : ids, unasked };
    default:
      throw new UsageError(kind === undefined ? 'A command is missing.' : `There is no command "${kind}".`);
  }
}

/**
 * @returns the exit code
 * @throws UsageError; StreamUnavailableError
 */
export async function runCommand(
  command: Exclude<Command, { kind: 'help' }>,
  deadLetters: DeadLetterStore,
  terminal: Terminal,
): Promise<number> {
  switch (command.kind) {
    case 'list':
      return list(command, deadLetters, terminal);
    case 'show':
      return show(command, deadLetters, terminal);
    case 'requeue':
    case 'drop':
      return command.ids === 'all'
        ? changeAll(command, deadLetters, terminal)
        : change(command, command.ids, deadLetters, terminal);
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function readLimit(text: string | undefined): number {
  const limit = text === undefined ? DEFAULT_LIMIT : Number(text);
  if (!Number.isSafeInteger(limit) || limit < 1) throw new UsageError('--limit must be a whole number from 1.');
  return limit;
}

async function list(
  { limit, json }: Extract<Command, { kind: 'list' }>,
  deadLetters: DeadLetterStore,
  terminal: Terminal,
): Promise<number> {
  const letters: Summary[] = [];
  for await (const letter of allDeadLetters(deadLetters)) {
    letters.push(toDeadLetterSummary(letter));
    if (letters.length === limit) break;
  }
  const total = await deadLetters.count();
  terminal.print(json ? `${JSON.stringify({ dead_letters: letters, total })}\n` : describeList(letters, total));
  return ExitCode.Done;
}

function describeList(letters: readonly Summary[], total: number): string {
  if (letters.length === 0) return 'No dead letters.\n';
  const more = total > letters.length ? `${letters.length} of ${total}; --limit shows more.\n` : '';
  return tableOf(letters.map(toCells)) + more;
}

async function show(
  { id, json }: Extract<Command, { kind: 'show' }>,
  deadLetters: DeadLetterStore,
  terminal: Terminal,
): Promise<number> {
  const body = toDeadLetterBody(await deadLetters.find(id));
  if (json) {
    terminal.print(`${JSON.stringify(body)}\n`);
    return ExitCode.Done;
  }
  const { message, context, ...facts } = body;
  const lines = Object.entries({ ...facts, fields: facts.fields.join(', ') }).map(
    ([name, value]) => `${name}: ${value ?? '-'}`,
  );
  if (context !== null && context !== '') lines.push('', 'context:', context);
  lines.push(
    '',
    message === null ? 'It cannot be decoded; "fields" names what it is made of.' : `message:\n${message}`,
  );
  terminal.print(`${printable(lines.join('\n'))}\n`);
  return ExitCode.Done;
}

async function changeAll(command: Change, deadLetters: DeadLetterStore, terminal: Terminal): Promise<number> {
  // All of them first: what fails again comes back behind the last one, and the work would never end.
  const ids: string[] = [];
  for await (const { handle } of allDeadLetters(deadLetters)) ids.push(handle);
  if (ids.length === 0) {
    terminal.print('No dead letters.\n');
    return ExitCode.Done;
  }
  if (!command.unasked) {
    if (!terminal.isInteractive) throw new UsageError('Without a terminal to confirm on, --all needs --yes.');
    if (!(await terminal.confirm(`${command.kind === 'drop' ? 'Drop' : 'Requeue'} ${count(ids.length)}?`))) {
      terminal.print('Nothing was changed.\n');
      return ExitCode.NotDone;
    }
  }
  return change(command, ids, deadLetters, terminal);
}

async function change(
  { kind, ids: wanted }: Change,
  ids: readonly string[],
  deadLetters: DeadLetterStore,
  terminal: Terminal,
): Promise<number> {
  let done = 0;
  let refused = 0;
  for (const id of ids) {
    try {
      if (kind === 'requeue') await deadLetters.requeue(id);
      else await deadLetters.drop(id);
      done += 1;
    } catch (error) {
      const isGone = error instanceof DeadLetterNotFoundError;
      if (!isGone && !(error instanceof DeadLetterUndecodableError)) throw error;
      // Nobody asked for this one by name, and somebody else was quicker.
      if (isGone && wanted === 'all') continue;
      terminal.complain(`${printable(id)}: ${printable(error.message)}\n`);
      refused += 1;
    }
  }
  terminal.print(`${count(done)} ${kind === 'drop' ? 'dropped' : 'requeued'}.\n`);
  return refused === 0 ? ExitCode.Done : ExitCode.NotDone;
}

const count = (letters: number): string => `${letters} dead ${letters === 1 ? 'letter' : 'letters'}`;

async function* allDeadLetters(deadLetters: DeadLetterStore) {
  let after: string | undefined;
  for (;;) {
    const page = await deadLetters.list({ limit: PAGE, ...(after !== undefined && { after }) });
    yield* page;
    after = page.at(-1)?.handle;
    if (after === undefined || page.length < PAGE) return;
  }
}

function toCells(letter: Summary): Cells {
  return {
    ID: letter.id,
    'DEAD SINCE': letter.dead_lettered_at ?? '-',
    DELIVERIES: String(letter.deliveries),
    USER: letter.user_id ?? '-',
    ERROR: letter.error,
    MESSAGE: letter.preview ?? '(cannot be decoded)',
  };
}
