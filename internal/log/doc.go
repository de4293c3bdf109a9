// Package log makes the process's logger and names the keys of log lines, so
// that one thing has one key everywhere. Code gets its logger from the context
// or is given it; nobody reads a global. No key, token or whole message is ever
// a value.
package log
