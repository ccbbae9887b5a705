package badger

import (
	"bufio"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"hither/cache/digest"
)

// child is this test binary in another role.
type child struct {
	*exec.Cmd
	lines *bufio.Scanner
}

func startChild(t *testing.T, role, dir string) child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role, dirVariable+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return child{cmd, bufio.NewScanner(out)}
}

// await reads lines until one is as wanted.
func (c child) await(t *testing.T, want string) {
	t.Helper()
	for c.lines.Scan() {
		if c.lines.Text() == want {
			return
		}
	}
	t.Fatalf("the child ended\nwant %q", want)
}

// kill ends the child at once and returns what it said it had committed.
func (c child) kill(t *testing.T) (committed []digest.Digest) {
	t.Helper()
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for c.lines.Scan() {
		d, ok := strings.CutPrefix(c.lines.Text(), "committed ")
		if c.lines.Text() == "ready" {
			continue
		}
		if !ok {
			t.Errorf("the child said %q", c.lines.Text())
		}
		committed = append(committed, digest.Digest(d))
	}
	c.Wait()
	return committed
}

func TestMistake4NothingIsLostOrTornByKill9(t *testing.T) {
	dir := t.TempDir()
	for round := range 10 {
		c := startChild(t, "fill", dir)
		if round%4 != 3 { // else it may be killed while it opens
			c.await(t, "ready")
		}
		time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
		committed := c.kill(t)

		s, err := openChild(dir, 4<<30)
		if err != nil {
			t.Fatal(err)
		}
		if s.epoch != s.run && len(committed) > 0 {
			t.Errorf("round %d: the unclean end was not noticed", round)
		}
		checkAll(t, s, committed)
		if _, err := commit(s, "", noise(uint64(round), 3<<20), true); err != nil {
			t.Errorf("filling again: %v", err)
		}
		checkGarbage(t, s)
		clearStore(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		t.Logf("round %d: %d blobs, all right", round, len(committed))
	}
}

// checkAll sees that all blobs are right, that none is missing, and that the count of them is right.
func checkAll(t *testing.T, s *Store, committed []digest.Digest) {
	t.Helper()
	there, bytes := int64(0), int64(0)
	err := s.Verify(t.Context(), func(d digest.Digest, _ int64, err error) {
		if err != nil {
			t.Errorf("blob %s: %v", d, err)
		}
		h, err := s.header(d)
		if err != nil || h.proved != s.run {
			t.Errorf("blob %s was checked, and is not believed: %v", d, err)
		}
		there++
		bytes += h.size
	})
	if err != nil {
		t.Error(err)
	}
	for _, d := range committed {
		b, err := s.Open(t.Context(), d)
		if err != nil {
			t.Errorf("a blob that was committed is lost: %v", err)
			continue
		}
		b.Close()
	}
	u, err := s.Usage(t.Context())
	if err != nil || u.Blobs != there || u.Bytes != bytes {
		t.Errorf("usage\n got %d blobs, %d bytes, %v\nwant %d blobs, %d bytes", u.Blobs, u.Bytes, err, there, bytes)
	}
}

// checkGarbage sees that each chunk belongs to a blob, and that the journal is empty.
func checkGarbage(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Compact(t.Context()); err != nil {
		t.Error(err)
	}
	live := map[uint64]bool{}
	s.scan(headerPrefix, func(_ string, value []byte) {
		h, _ := decodeHeader(value)
		live[h.id] = true
	})
	err := s.scan(chunkPrefix, func(key string, _ []byte) {
		if id := binary.BigEndian.Uint64([]byte(key[1:9])); !live[id] {
			t.Errorf("chunk %x belongs to no blob", key)
		}
	})
	if err != nil {
		t.Error(err)
	}
	s.scan(journalPrefix, func(key string, _ []byte) { t.Errorf("the journal still has %x", key) })
}

func clearStore(t *testing.T, s *Store) {
	t.Helper()
	var all []digest.Digest
	s.scan(headerPrefix, func(key string, _ []byte) { all = append(all, digest.Digest(key[1:])) })
	for _, d := range all {
		if err := s.Remove(t.Context(), d); err != nil {
			t.Error(err)
		}
	}
	if err := s.Compact(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestADirectoryInUseNamesTheOther(t *testing.T) {
	dir := t.TempDir()
	c := startChild(t, "hold", dir)
	c.await(t, "ready")
	_, err := openChild(dir, 0)
	if err == nil || !strings.Contains(err.Error(), strconv.Itoa(c.Process.Pid)) || !strings.Contains(err.Error(), "stop") {
		t.Errorf("\n got %v\nwant that process %d uses it, and what to do", err, c.Process.Pid)
	}
	c.kill(t)
	s, err := openChild(dir, 0)
	if err != nil {
		t.Fatalf("after the other was killed\n got %v\nwant it open", err)
	}
	s.Close()
}

// TestALargeBlobNeedsLittleMemory is trap: mapped log files count as ours until their pages are let go.
func TestALargeBlobNeedsLittleMemory(t *testing.T) {
	if testing.Short() || status("VmHWM") == "" {
		t.Skip("writes a gigabyte, and asks Linux for the memory it took")
	}
	c := startChild(t, "large", t.TempDir())
	for c.lines.Scan() {
		t.Log(c.lines.Text())
		fields := strings.Fields(c.lines.Text())
		if len(fields) < 3 || fields[1] != "VmHWM:" {
			t.Fatal("the child did not tell")
		}
		if kib, err := strconv.Atoi(fields[2]); err != nil || kib > 300<<10 {
			t.Errorf("memory for a blob of 1 GiB\n got %d KiB, %v\nwant below 300 MiB, also with the race detector", kib, err)
		}
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}
