export { type ContextBounds, contextOf, turnsIn } from './session-context.js';
export { SessionService } from './session.service.js';
export { SessionStore, type Turn } from './session-store.port.js';
export { SessionStoreUnavailableError } from './sessions.errors.js';
export { sessionSettings } from './sessions.settings.js';
export { SessionsModule } from './sessions.module.js';
