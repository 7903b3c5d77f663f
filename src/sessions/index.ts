export { contextOf, turnsIn } from './session-context.js';
export { SessionService } from './session.service.js';
export { SessionStore, type Turn } from './session-store.port.js';
export { SessionStoreUnavailableError } from './sessions.errors.js';
export { SessionsModule } from './sessions.module.js';
