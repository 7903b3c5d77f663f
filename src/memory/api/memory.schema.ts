import { z } from 'zod';
import { identifier, keptObject, optional, spokenText, userId, wellFormedText, withDefault } from '../../http/index.js';
import { queryCount } from '../../shared/index.js';
import { readListCursor } from './list-cursor.js';
import type { MemoryFilter } from '../store/memory-store.port.js';
import type { MemoryEdit } from './memory.service.js';
import type { MemoryDraft } from '../remember/new-memory.js';

// One request to the embedder and one to the store; a larger one would hold both for seconds.
const MAX_BATCH = 256;
const MAX_PAGE = 100;
const DEFAULT_PAGE = 20;
const DEFAULT_DECISIONS = 50;
const MAX_DECISIONS = 1_000;
// Metadata is kept with each memory and read with each search; a bound keeps it from being used as a file store.
const MAX_METADATA_CHARACTERS = 16_384;

const role = z.enum(['user', 'assistant'], 'must be user or assistant');
const source = z.enum(['worker', 'manual', 'promoted'], 'must be worker, manual or promoted');
const flag = z.boolean('must be true or false');
const queryFlag = z.enum(['true', 'false'], 'must be true or false').transform((text) => text === 'true');
export const time = z.iso
  .datetime({ offset: true, error: 'must be a date and time, like 2026-11-22T10:00:00Z' })
  .transform((text) => Date.parse(text));
const metadata = keptObject.refine(
  (value) => JSON.stringify(value).length <= MAX_METADATA_CHARACTERS,
  `must have at most ${MAX_METADATA_CHARACTERS} characters as JSON`,
);
const comparable = z.union(
  [z.string(), z.number(), z.boolean(), z.null()],
  'must be a string, a number, true, false or null',
);

export const draftShape = {
  text: spokenText,
  session_id: optional(identifier),
  role: withDefault(role, 'user'),
  created_at: optional(time),
  metadata: withDefault(metadata, {}),
  /** What was said before it; only the end is kept. */
  context: optional(wellFormedText),
} as const;

/** `POST /memories`. */
export const addMemorySchema = z.strictObject({ user_id: userId, ...draftShape });
export type AddMemoryRequest = z.infer<typeof addMemorySchema>;

/** `POST /memories/batch`: memories of one user. */
export const addMemoriesSchema = z.strictObject({
  user_id: userId,
  memories: z
    .array(z.strictObject(draftShape))
    .min(1, 'must hold at least one memory')
    .max(MAX_BATCH, `must hold at most ${MAX_BATCH} memories`),
});
export type AddMemoriesRequest = z.infer<typeof addMemoriesSchema>;

/** `POST /memories/search`. */
export const searchMemoriesSchema = z.strictObject({
  query: spokenText,
  user_id: userId,
  limit: withDefault(
    z.int('must be a whole number').min(1, 'must be at least 1').max(MAX_PAGE, `must be at most ${MAX_PAGE}`),
    10,
  ),
  mode: withDefault(z.enum(['hybrid', 'dense', 'lexical'], 'must be hybrid, dense or lexical'), 'hybrid'),
  session_id: optional(identifier),
  role: optional(role),
  source: optional(source),
  pinned: optional(flag),
  created_after: optional(time),
  created_before: optional(time),
  /** Fields that the metadata must have with these values. */
  metadata: optional(z.record(z.string(), comparable, 'must be an object')),
  include_questions: withDefault(flag, false),
  include_superseded: withDefault(flag, true),
  as_of: optional(time),
});
export type SearchMemoriesRequest = z.infer<typeof searchMemoriesSchema>;

export function toSearchFilter(request: SearchMemoriesRequest): MemoryFilter {
  return {
    ...toListFilter(request),
    ...(request.created_after !== undefined && { sinceMs: request.created_after }),
    ...(request.created_before !== undefined && { untilMs: request.created_before }),
    ...(request.metadata && { metadata: request.metadata }),
    includeQuestions: request.include_questions,
    includeSuperseded: request.include_superseded,
    ...(request.as_of !== undefined && { asOfMs: request.as_of }),
  };
}

/** `PATCH /memories/:id`: a field that is not given does not change. */
export const editMemorySchema = z
  .strictObject({ text: optional(spokenText), metadata: optional(metadata), pinned: optional(flag) })
  .refine((edit) => Object.values(edit).some((value) => value !== undefined), 'must have text, metadata or pinned');
export type EditMemoryRequest = z.infer<typeof editMemorySchema>;

export function toEdit({ text, metadata: more, pinned }: EditMemoryRequest): MemoryEdit {
  return {
    ...(text !== undefined && { text }),
    ...(more && { metadata: more }),
    ...(pinned !== undefined && { isPinned: pinned }),
  };
}

export const listQuerySchema = z.strictObject({
  user_id: userId,
  limit: queryCount(DEFAULT_PAGE, MAX_PAGE),
  cursor: z
    .string('must be given once')
    .transform((text, context) => {
      const position = readListCursor(text);
      if (!position) context.addIssue('is not a cursor that this server gave out');
      return position ?? z.NEVER;
    })
    .optional(),
  session_id: optional(identifier),
  role: optional(role),
  source: optional(source),
  pinned: optional(queryFlag),
});
export type ListQuery = z.infer<typeof listQuerySchema>;

export function toListFilter(
  request: Pick<ListQuery, 'session_id' | 'role' | 'source' | 'pinned'>,
): Pick<MemoryFilter, 'sessionId' | 'role' | 'source' | 'isPinned'> {
  return {
    ...(request.session_id !== undefined && { sessionId: request.session_id }),
    ...(request.role && { role: request.role }),
    ...(request.source && { source: request.source }),
    ...(request.pinned !== undefined && { isPinned: request.pinned }),
  };
}

export const decisionsQuerySchema = z.strictObject({
  user_id: userId,
  limit: queryCount(DEFAULT_DECISIONS, MAX_DECISIONS),
});
export type DecisionsQuery = z.infer<typeof decisionsQuerySchema>;

export const ownerQuerySchema = z.strictObject({ user_id: userId });
export type OwnerQuery = z.infer<typeof ownerQuerySchema>;

/** For what cannot be undone the user must be named: nobody forgets everybody's shared memory by leaving a word out. */
export const namedOwnerQuerySchema = z.strictObject({ user_id: identifier });

export const memoryIdSchema = wellFormedText;

type DraftFields = z.infer<z.ZodObject<typeof draftShape>>;

export function toDraft({ session_id, created_at, metadata: more, context, ...draft }: DraftFields): MemoryDraft {
  return {
    text: draft.text,
    sessionId: session_id ?? null,
    role: draft.role,
    metadata: more,
    ...(context !== undefined && { context }),
    ...(created_at !== undefined && { createdAtMs: created_at }),
  };
}
