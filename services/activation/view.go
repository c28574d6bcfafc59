package activation

import (
	"cmp"
	"slices"

	"holdfast/tenants"
)

// View is a tenant's standing as it is shown.
type View struct {
	State   State
	Pages   []Page // by name
	Paged   int    // who got a link
	Opened  int    // of them, who used it
	Ready   int    // who could be put through since the activation, paged or not
	Numbers int    // to be forwarded
	Proven  int
}

// View shows a tenant; the zero View where there is none.
func (s *Service) View(t tenants.TenantID) View {
	s.mu.Lock()
	st, ok := s.state(t)
	s.mu.Unlock()
	if !ok {
		return View{}
	}
	v := View{State: st}
	for _, p := range st.Pages {
		v.Pages = append(v.Pages, p)
		if p.Link != "" {
			v.Paged++
		}
		if !p.OpenedAt.IsZero() {
			v.Opened++
		}
		if !p.ReadyAt.IsZero() {
			v.Ready++
		}
	}
	slices.SortFunc(v.Pages, func(a, b Page) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Operator, b.Operator)) })
	sheet := s.Sheet(t)
	v.Numbers, v.Proven = len(sheet.Rows), sheet.Done
	return v
}

// Sheet is the forwarding sheet of a tenant; empty where there is none.
func (s *Service) Sheet(t tenants.TenantID) Sheet {
	s.mu.Lock()
	st, ok := s.state(t)
	s.mu.Unlock()
	c := s.cfg.Book.Copy(t)
	if !ok || c == nil {
		return Sheet{}
	}
	return SheetOf(c, st, s.now())
}

// Version grows with every change of the tenant's activation on this node: who shows it asks again when it moves.
func (s *Service) Version(t tenants.TenantID) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, _ := s.state(t)
	return st.Version
}
