//! Every call of a plan is interrupted in every way: killed before and after, its answer lost, done twice, done twice at once,
//! and its line in the journal torn. Whoever runs the same command again ends where an undisturbed run does.

use backstay_simulation::crashes::{enumerate, scenes};

fn ends_alike(scene: &str, least: usize) {
    let report = enumerate(scene);
    assert!(report.calls >= least, "{scene}: only {} calls", report.calls);
    let wrong = report.wrong;
    assert!(wrong.is_empty(), "{} of {:?} went wrong\n{wrong:#?}", wrong.len(), report.tried);
}

macro_rules! scenes {
    ($($name:ident: $scene:expr, $least:expr;)*) => {
        $(
            #[test]
            fn $name() {
                ends_alike($scene, $least);
            }
        )*

        #[test]
        fn every_scene_has_its_test() {
            assert_eq!(scenes(), [$($scene),*]);
        }
    };
}

scenes! {
    a_create_with_one_part_ends_alike: "a create with one part", 30;
    a_create_with_two_parts_and_files_ends_alike: "a create with two parts, without a group, and files", 60;
    a_create_of_a_group_ends_alike: "a create of a group", 50;
    a_copy_ends_alike: "a copy", 50;
    a_mended_tag_ends_alike: "a mended tag", 30;
    adopted_leftovers_end_alike: "adopted leftovers", 30;
    a_lock_ends_alike: "a lock", 30;
    an_expiry_ends_alike: "an expiry", 30;
    a_delete_of_two_parts_ends_alike: "a delete of two parts", 40;
    a_revival_ends_alike: "a revival", 30;
}
