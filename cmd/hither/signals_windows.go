package main

import "os"

// stopSignals end `hither up`: Ctrl-C, Ctrl-Break, and (as SIGTERM) the closing of the console.
func stopSignals() []os.Signal { return []os.Signal{os.Interrupt} }

// hangupSignals are none: a service is told otherwise.
func hangupSignals() []os.Signal { return nil }

// passedSignals are caught, so that Hither outlives its command; the console sends them to both.
func passedSignals() []os.Signal { return []os.Signal{os.Interrupt} }

func fromKeyboard(os.Signal) bool { return true }

func commandStatus(state *os.ProcessState) int { return state.ExitCode() }
