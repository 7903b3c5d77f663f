/** The prefix of a text for each purpose. */
export interface EmbeddingPrefixes {
  readonly query: string;
  readonly passage: string;
}

const NONE: EmbeddingPrefixes = { query: '', passage: '' };
// Wang et al., arXiv 2212.03533. The family's instruct models want an instruction before a question instead.
const E5: EmbeddingPrefixes = { query: 'query: ', passage: 'passage: ' };
const E5_NAME = /(?<![a-z0-9])e5(?![a-z0-9])(?!.*instruct)/i;
const NO_PREFIX = 'none';

/**
 * The prefixes that a model was trained with, as far as its name tells.
 * @param given what the settings say instead; `none` for nothing
 */
export function embeddingPrefixesOf(model: string, given: Partial<EmbeddingPrefixes> = {}): EmbeddingPrefixes {
  const own = E5_NAME.test(model) ? E5 : NONE;
  const read = (prefix: string | undefined, otherwise: string): string =>
    prefix === NO_PREFIX ? '' : (prefix ?? otherwise);
  return { query: read(given.query, own.query), passage: read(given.passage, own.passage) };
}
