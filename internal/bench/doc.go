// Package bench measures a running annal over HTTP, and checks what it answers.
//
// The one idea: the events are a pure function of a seed and a number (see
// [Generator]), so that the right answer to any question can be computed again
// from nothing, at any size, by a reference that is too simple to be wrong. A
// fast wrong answer fails the run.
//
// The client shares the machine with the server. It therefore speaks HTTP/1.1
// over plain connections, takes less than half a microsecond to make an event,
// and accounts for both sides apart: the server's CPU time and memory are read
// from /proc of its process, the client's own from its own. Server time includes
// what it did in the background until it was idle again.
//
// # Keys
//
// A report is one flat JSON object. These keys are stable; each ends in its unit
// or is a plain number.
//
//	seed, events, end, span_s, identities,        the mix: together they make
//	strangers, paths, tenants, shuffled,          every event again; those below
//	mix_events, stored_events                     stored_events are in the log
//	ingest_batched_*                              4 connections × 1000 events
//	ingest_single_*                               64 connections × 1 event, where * is
//	  events_per_s, p50_ms, p99_ms                   acknowledged; until the answer
//	  server_cpu_s_per_million                       with all work that followed
//	  client_cpu_s_per_million                       of this process
//	disk_bytes_per_event, sealed_events           sealed segments, indexes included
//	wal_size_mib                                  the write-ahead log at that time
//	QUESTION_p50_ms, _p99_ms, _asked              for each question below
//	stream_events_per_s, stream_mib_per_s,        one answer as NDJSON
//	stream_server_cpu_s_per_million
//	answers_checked, wrong_answers                against the reference
//	ready_after_kill_s                            the worst of three kill -9 under load
//	cold_first_page_ms, cold_rare_identity_ms     the worst of three, caches dropped
//	mixed_ingest_*                                62,000 events/s while questions
//	mixed_QUESTION_*                                 are asked, and these
//	peak_resident_mib                             with mapped files
//	peak_anonymous_mib                            without
//	resident_PHASE_mib, anonymous_PHASE_mib,      at most during ingest_batched,
//	file_PHASE_mib                                   ingest_single, ask, stream,
//	                                                 mixed, crash, cold
//
// While events come in, nobody knows what a right answer is to the event. A page
// must then lack nothing that was there before, and show nothing that does not
// match; a count must lie between those before and after. A trail's 30-day counts
// are not checked then.
//
// Questions, each also as scaivault_… where ScaiVault's API has it:
//
//	newest_100           the newest page
//	action_day           a page of one action within a day
//	rare_identity        a page of an identity that seldom acts
//	request_id           the event of one request
//	prefix_failed_30d    what failed under a path within 30 days
//	rare_text            five events that contain a word
//	by_id                one event
//	summary_30d          all counts over 30 days with odd bounds
//	summary_90d          all counts over everything
//	path_trail_30d       a path's newest page with its 30-day summary
//	identity_trail_30d   the same for an identity
//	all_tenants_…        newest page over all tenants, when there are several
package bench
