// The weights of hybrid ranking and of change detection were fitted on the cosines of this model. Those of other models
// have another spread.
const FITTED = /all-MiniLM-L6-v2/i;

/** Whether what was fitted on cosines holds for those of a model. */
export const hasFittedCosines = (embeddingModel: string): boolean => FITTED.test(embeddingModel);
