import { basename, resolve } from 'node:path';
import type { HuggingFaceLocation } from './manifest.js';
import { ModelInvalidError } from '../models.errors.js';
import { NAMED_MODELS } from './named-models.js';

/** What `LOCAL_VORPAL_MODEL` can name. */
export type ModelReference =
  | { readonly kind: 'default' }
  | { readonly kind: 'file'; readonly id: string; readonly path: string }
  | { readonly kind: 'hugging-face'; readonly id: string; readonly location: HuggingFaceLocation };

const HUGGING_FACE_PREFIX = 'hf:';
// Every part becomes a folder of the cache: no `..`, no leading dot, no backslash can pass.
const NAME = String.raw`[A-Za-z0-9][\w.-]*`;
const HUGGING_FACE_REFERENCE = new RegExp(
  `^(?<repository>${NAME}/${NAME}?)(?:@(?<revision>${NAME}))?/(?<path>(?:${NAME}/)*${NAME}\\.gguf)$`,
  'i',
);

// A path of a single word is more likely a name mistyped.
const BARE_WORD = /^[\w-]+$/;

/**
 * Reads a name (`tiny`, `small` …), a path, or `hf:owner/repository[@revision]/path/file.gguf`.
 * @throws ModelInvalidError
 */
export function parseModelReference(text: string): ModelReference {
  const named = NAMED_MODELS.find(({ name }) => name === text);
  if (named) {
    const { location } = named;
    return location ? { kind: 'hugging-face', id: modelIdOf(location.path), location } : { kind: 'default' };
  }
  if (BARE_WORD.test(text)) {
    const names = NAMED_MODELS.map(({ name }) => name).join(', ');
    throw new ModelInvalidError(
      `LOCAL_VORPAL_MODEL is "${text}", and there is no model of that name. ` +
        `Write ${names}, the path of a GGUF file (./${text}), or hf:owner/repository/file.gguf.`,
    );
  }
  if (!text.startsWith(HUGGING_FACE_PREFIX)) {
    const path = resolve(text);
    return { kind: 'file', id: modelIdOf(path), path };
  }
  const parts = HUGGING_FACE_REFERENCE.exec(text.slice(HUGGING_FACE_PREFIX.length))?.groups;
  const { repository, revision = 'main', path } = parts ?? {};
  if (repository === undefined || path === undefined) {
    throw new ModelInvalidError(
      `LOCAL_VORPAL_MODEL is "${text}". ` +
        'Write hf:owner/repository/file.gguf, with @revision after the repository if wanted.',
    );
  }
  return { kind: 'hugging-face', id: modelIdOf(path), location: { source: 'huggingface', repository, revision, path } };
}

const modelIdOf = (path: string): string => basename(path).replace(/\.gguf$/i, '');
