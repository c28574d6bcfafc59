package main

import (
	"context"

	"holdfast/services/interim"
	"holdfast/services/journal"
	"holdfast/services/oncall"
	"holdfast/services/oncall/oncallsql"
	"holdfast/tenants"
	"holdfast/tenants/roster"
	"holdfast/web/api"
)

// newInterim makes the board of overrides and notes, with what an earlier process of this node could not hand to the database.
func newInterim(n *node) *interim.Board {
	return interim.New(interim.Config{
		Node: n.settings.Node, Journal: n.journal, Book: n.book, Stories: n.journal.OpenStories(), Log: n.log,
	})
}

// heard takes the events of other nodes to whoever follows them.
func (n *node) heard(e journal.Event) {
	n.site.boards.Hear(e)
	n.interim.Hear(e)
}

// schedules changes schedules in PostgreSQL, journals who did it, and brings the routing copies up to date.
type schedules struct{ administration }

var _ api.Schedules = schedules{}

func (s schedules) store() oncallsql.Store { return oncallsql.Store{DB: s.n.stores.db} }

// told is what the journal keeps of a change.
type told struct {
	Account  tenants.AccountID  `json:"account"`
	Schedule tenants.ScheduleID `json:"schedule"`
	Now      *roster.Schedule   `json:"now,omitempty"`
	Feed     string             `json:"feed,omitempty"`
	By       tenants.OperatorID `json:"by"`
	ByName   string             `json:"by_name"`
}

func (s schedules) CreateSchedule(ctx context.Context, actor tenants.Actor, made roster.Schedule) error {
	if err := s.store().Create(ctx, actor.Tenant, actor.Name, made); err != nil {
		return api.Translate(err)
	}
	return s.done(ctx, actor, "schedule.create", told{Account: made.Account, Schedule: made.ID, Now: &made, By: actor.User, ByName: actor.Name})
}

func (s schedules) ChangeSchedule(ctx context.Context, actor tenants.Actor, account tenants.AccountID, id tenants.ScheduleID, tag string,
	change func(*roster.Schedule) error,
) (roster.Schedule, error) {
	now, err := s.store().Change(ctx, actor.Tenant, actor.Name, account, id, tag, change)
	if err != nil {
		return now, api.Translate(err)
	}
	return now, s.done(ctx, actor, "schedule.change", told{Account: account, Schedule: id, Now: &now, By: actor.User, ByName: actor.Name})
}

func (s schedules) DeleteSchedule(ctx context.Context, actor tenants.Actor, account tenants.AccountID, id tenants.ScheduleID, tag string) error {
	if err := s.store().Delete(ctx, actor.Tenant, account, id, tag); err != nil {
		return api.Translate(err)
	}
	return s.done(ctx, actor, "schedule.delete", told{Account: account, Schedule: id, By: actor.User, ByName: actor.Name})
}

func (s schedules) ListFeeds(ctx context.Context, tenant tenants.TenantID, account tenants.AccountID, id tenants.ScheduleID) ([]oncall.Feed, error) {
	all, err := s.store().ListFeeds(ctx, tenant, account, id)
	return all, api.Translate(err)
}

func (s schedules) AddFeed(ctx context.Context, actor tenants.Actor, account tenants.AccountID, id tenants.ScheduleID, f oncall.Feed, hash string) error {
	if err := s.store().AddFeed(ctx, actor.Tenant, account, id, f, hash); err != nil {
		return api.Translate(err)
	}
	return s.done(ctx, actor, "feed.create", told{Account: account, Schedule: id, Feed: f.ID, By: actor.User, ByName: actor.Name})
}

func (s schedules) RemoveFeed(ctx context.Context, actor tenants.Actor, account tenants.AccountID, id tenants.ScheduleID, feed string) error {
	if err := s.store().RemoveFeed(ctx, actor.Tenant, account, id, feed); err != nil {
		return api.Translate(err)
	}
	return s.done(ctx, actor, "feed.delete", told{Account: account, Schedule: id, Feed: feed, By: actor.User, ByName: actor.Name})
}
