package service

import (
	"context"

	"golang.org/x/sys/windows/svc"
)

// Run runs as a service of Windows if its manager started this process, until the manager or run ends it. Otherwise
// it returns false at once. A failure of run counts as one for the manager, which then does what the service's failure
// actions say.
func Run(ctx context.Context, run func(context.Context) error) (ran bool, err error) {
	is, err := svc.IsWindowsService()
	if err != nil || !is {
		return false, err
	}
	s := &windowsService{ctx: ctx, run: run}
	if err := svc.Run("hither", s); err != nil {
		return true, err
	}
	return true, s.err
}

type windowsService struct {
	ctx context.Context
	run func(context.Context) error
	err error // what run returned
}

// Execute is called by svc.Run (svc.Handler). The service is told to be running at once: the manager's patience with a start is short.
func (s *windowsService) Execute(_ []string, asked <-chan svc.ChangeRequest, told chan<- svc.Status) (specific bool, code uint32) {
	const accepts = svc.AcceptStop | svc.AcceptShutdown | svc.AcceptPreShutdown
	ctx, stop := context.WithCancel(s.ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	told <- svc.Status{State: svc.Running, Accepts: accepts}
	for {
		select {
		case s.err = <-ended:
			told <- svc.Status{State: svc.StopPending}
			if s.err != nil {
				return true, 1
			}
			return false, 0
		case c := <-asked:
			switch c.Cmd {
			case svc.Interrogate:
				told <- c.CurrentStatus
			case svc.Stop, svc.Shutdown, svc.PreShutdown:
				told <- svc.Status{State: svc.StopPending, WaitHint: 8000} // milliseconds
				stop()
			}
		}
	}
}
