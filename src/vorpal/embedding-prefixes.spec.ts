import { embeddingPrefixesOf } from './embedding-prefixes.js';
import { vorpalSettings } from './vorpal.settings.js';

describe(embeddingPrefixesOf.name, () => {
  it.each(['multilingual-e5-small', 'intfloat/e5-large-v2', 'Xenova/multilingual-e5-small/xenova-int8'])(
    'puts what the e5 family was trained with before questions and memories of %s',
    (model) => {
      expect(embeddingPrefixesOf(model)).toEqual({ query: 'query: ', passage: 'passage: ' });
    },
  );

  it.each(['all-MiniLM-L6-v2', 'BAAI/bge-m3', 'intfloat/multilingual-e5-large-instruct', 'some-e500'])(
    'puts nothing before those of %s',
    (model) => {
      expect(embeddingPrefixesOf(model)).toEqual({ query: '', passage: '' });
    },
  );

  it('takes what the settings say instead, and none for nothing', () => {
    const { embeddingPrefixes } = vorpalSettings({
      EMBEDDINGS_MODEL: 'multilingual-e5-base',
      EMBEDDINGS_QUERY_PREFIX: 'ask: ',
      EMBEDDINGS_PASSAGE_PREFIX: 'none',
    });
    expect(embeddingPrefixes).toEqual({ query: 'ask: ', passage: '' });
  });
});

describe('EMBEDDINGS_MODEL', () => {
  it('is the model that the local Vorpal is told to load, unless another is named', () => {
    const multilingual = { LOCAL_VORPAL_EMBEDDING_MODEL: 'multilingual' };
    expect(vorpalSettings({}).embeddingsModel).toBe('all-MiniLM-L6-v2');
    expect(vorpalSettings(multilingual).embeddingsModel).toBe('multilingual-e5-small');
    expect(vorpalSettings({ ...multilingual, EMBEDDINGS_MODEL: 'other' }).embeddingsModel).toBe('other');
  });
});
