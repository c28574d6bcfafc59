package isolation_test

import "maps"

func init() {
	maps.Copy(asked, map[string][]string{
		"/accounts/{id}/notes":                             {"/accounts/lakeside-cardiology/notes"},
		"/accounts/{id}/schedules":                         {"/accounts/lakeside-cardiology/schedules"},
		"/accounts/{id}/schedules/{schedule}":              {"/accounts/lakeside-cardiology/schedules/SCHEDULE"},
		"/accounts/{id}/schedules/{schedule}/timeline":     {"/accounts/lakeside-cardiology/schedules/SCHEDULE/timeline"},
		"/accounts/{id}/schedules/{schedule}/feeds":        {"/accounts/lakeside-cardiology/schedules/SCHEDULE/feeds"},
		"/accounts/{id}/schedules/{schedule}/calendar.ics": {}, // opened by a token alone
	})
}
