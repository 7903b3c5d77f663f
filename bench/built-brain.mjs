// `node --experimental-transform-types --import <this file>` runs modules of bench/ and test/chaos/ as they are, over
// the programs as they are built: what they import of src/ and packages/ they get from dist/, so that what is measured
// is what is shipped.
import { registerHooks } from 'node:module';

const root = new URL('../', import.meta.url).href;
const SOURCE = /^(packages\/[^/]+\/|)src\//;

registerHooks({
  resolve(specifier, context, nextResolve) {
    const ours = specifier.startsWith('.') && context.parentURL?.endsWith('.ts');
    if (!ours) return nextResolve(specifier, context);
    const { href } = new URL(specifier, context.parentURL);
    const path = href.startsWith(root) ? href.slice(root.length) : '';
    const built = SOURCE.test(path) ? root + path.replace(SOURCE, '$1dist/') : href.replace(/\.js$/, '.ts');
    return nextResolve(built, context);
  },
});
