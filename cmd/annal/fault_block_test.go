//go:build integration

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"annal/client"
	"annal/internal/segment"
)

// Where one block of a segment is damaged, the server answers what does not need
// it in full, and what does with log_damaged; its log names the file and the
// bytes, and an alarm is on.
func TestADamagedBlockCostsOnlyItsOwnQuestions(t *testing.T) {
	const perBlock, batches = segment.BlockRows, blocksSegment/1000 + 1
	dir := filepath.Join(t.TempDir(), "data")
	p := launch{dir: dir, size: blocks}.serve(t)
	at := func(i int) time.Time { return batchTime.Add(time.Duration(i) * time.Second) }
	for i := range batches {
		events := batch(fmt.Sprintf("b%d", i), 1000)
		for j := range events {
			events[j].EventID, events[j].Tenant, events[j].Time = "", "t", at(i*1000+j)
		}
		if _, err := p.client(t, -1).Append(t.Context(), events); err != nil {
			t.Fatal(err)
		}
	}
	p.awaitMetric(t, "annal_segments", "1")
	p.stop(t)
	file := spoilBlock(t, dir, "codes of block 1")

	p = launch{dir: dir, size: blocks}.serve(t)
	for block := range 3 {
		n := 0
		var failed error
		q := client.Query{From: at(block*perBlock + 10), To: at(block*perBlock + 510)}
		for _, err := range p.client(t, -1).Query(t.Context(), q) {
			if failed = err; err == nil {
				n++
			}
		}
		var said *client.Error
		damaged := errors.As(failed, &said) && said.Status == 500 && said.Code == "log_damaged" && !strings.Contains(said.Detail, dir)
		if block == 1 && !damaged || block != 1 && (failed != nil || n < 500) {
			t.Errorf("block %d: %d events, %v", block, n, failed)
		}
	}
	if alarm := p.metric(t, "annal_damage_alarm"); alarm != "1" || !strings.Contains(p.output.String(), file) || !strings.Contains(p.output.String(), "bytes ") {
		t.Errorf("the alarm is %s, and the log says\n%s", alarm, p.output)
	}
	p.stop(t)
}

// spoilBlock flips a byte of a part of the only segment's columns, and returns
// the file's name.
func spoilBlock(t *testing.T, dir, part string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "segments", "*.col"))
	if err != nil || len(found) != 1 {
		t.Fatalf("segments: %v, %v", found, err)
	}
	whole, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	for at := len(whole) / 200; at < len(whole); at += len(whole) / 200 {
		whole[at] ^= 1
		overwrite(t, found[0], whole)
		if _, said := check(dir); strings.Contains(said, part+":") {
			return filepath.Base(found[0])
		}
		whole[at] ^= 1
	}
	t.Fatalf("no byte of %s was found", part)
	return ""
}
