// `node --experimental-transform-types --import <this file>` runs modules of src/ and packages/ as they are: tests that
// need a second process then test the source and not whatever was built last. Enough for modules without decorators.
import { registerHooks } from 'node:module';

registerHooks({
  resolve(specifier, context, nextResolve) {
    const ours = specifier.startsWith('.') && context.parentURL?.endsWith('.ts');
    const conditions = [...context.conditions, 'archive-brain-source'];
    return nextResolve(ours ? specifier.replace(/\.js$/, '.ts') : specifier, { ...context, conditions });
  },
});
