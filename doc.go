// Package annal is the vocabulary of the audit log: the event, its fields, the
// questions asked of it and the answers. It holds data and pure functions only
// and imports nothing but the standard library; every other package speaks it.
//
// One table, [Fields], describes every searchable property of an event. It
// drives the index, filters, CSV columns, limits and dialects, so that a new
// field is one row.
package annal
