export * from './chat.js';
export * from './completions.js';
export * from './embeddings.js';
export * from './error-body.js';
export * from './models.js';
export * from './sse.js';
export * from './tokenize.js';
export * from './usage.js';
