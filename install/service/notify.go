package service

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// What a service tells systemd (sd_notify(3)).
const (
	NotifyReady    = "READY=1"
	NotifyStopping = "STOPPING=1"
	NotifyWatchdog = "WATCHDOG=1" // at least once each WatchdogInterval
)

// Notify tells systemd something. Under nobody who listens it does nothing. It may be called from many goroutines; it
// waits at most a second. getenv is os.Getenv.
func Notify(getenv func(string) string, state string) error {
	socket := getenv("NOTIFY_SOCKET")
	if socket == "" {
		return nil
	}
	if socket[0] != '/' && socket[0] != '@' { // @ is the abstract namespace, which net knows by it too
		return fmt.Errorf("NOTIFY_SOCKET is %.100q, which is no socket of this machine: unset it", socket)
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("tell systemd %s: %w", state, err)
	}
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, err = conn.Write([]byte(state))
	return errors.Join(err, conn.Close())
}

// WatchdogInterval is how often systemd wants to hear NotifyWatchdog: half of its patience, as sd_watchdog_enabled(3)
// advises. 0: it does not watch this process.
func WatchdogInterval(getenv func(string) string) time.Duration {
	if pid := getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	micros, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || micros <= 0 || micros > int64(time.Hour/time.Microsecond) {
		return 0
	}
	return time.Duration(micros) * time.Microsecond / 2
}
